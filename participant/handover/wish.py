"""What the people of a hospital ask for when they type ``key refresh`` or ``handover``."""

from dataclasses import dataclass

from participant.handover.errors import AnotherHandover, TooManySums
from protocol.board import Board, Handover
from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.messages import HandoverProposal, Signature
from protocol.rounds import sums_up_to
from protocol.terms import Terms


@dataclass(frozen=True)
class Wish:
    """What people here want, and agree to: new terms, or the old ones for new shares.

    signatures: under new terms, of their members in order.
    """

    new: Terms
    signatures: tuple[Signature, ...] = ()

    def is_for(self, handover: Handover) -> bool:
        """Whether this is what an attempt is about."""
        return self.new.federation == handover.about.new.federation

    def check(self, handover: Handover) -> None:
        """Raises AnotherHandover where the others have agreed to something else.

        What was thawed keeps nobody from the next one, nor does a refresh that was released.
        """
        is_past = handover.is_over and (handover.is_refresh or handover.released_at is None)
        if not self.is_for(handover) and handover.view.attempt.is_agreed and not is_past:
            raise AnotherHandover(handover.about.session, handover.about.new.federation)

    def proposal(self, board: Board) -> HandoverProposal:
        """What to propose, of the key that the board has.

        Raises TooManySums where there are more than another board would take over.
        """
        assert board.epoch is not None
        is_refresh = self.new.federation == board.terms.federation
        if not (is_refresh or has_room(board)):
            raise TooManySums(board.terms.name)
        return HandoverProposal(
            board.epoch.digest, b"" if is_refresh else encode(self.new), self.signatures
        )


def has_room(board: Board) -> bool:
    """Whether another board takes all sums over that may be open on this one by now."""
    try:
        sums_up_to(board, board.head.position).parts()
    except Malformed:
        return False
    return True
