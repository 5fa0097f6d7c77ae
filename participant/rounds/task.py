"""Helping to decrypt one round, after a look at what it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from participant.agent import SetLedger, Task
from participant.disk import Storage
from participant.rounds.vector_reader import OwnChecksum
from participant.rounds.waiting import round_waiting
from participant.waiting import Waiting
from protocol.board import Board, Draft, Posted, Refusal, Statement
from protocol.errors import Refused
from protocol.key import HeldKey
from protocol.rounds import (
    OpenedSets,
    RoundMember,
    RoundView,
    decode_sums,
    request_of,
    round_session,
)
from protocol.terms import AGGREGATOR, Terms


@dataclass(frozen=True)
class Question:
    """What a person is asked to agree to.

    ``warning``: what the sum would show with others, where the terms warn of it; else empty.
    ``labels``: what a member who asked for the statistic calls its numbers, where it did.
    ``agreed``: who has agreed to the sum already, and waits for this answer if too few have.
    """

    round_name: str
    kind: str
    contributors: tuple[str, ...]
    ciphertexts: int
    warning: str = ""
    labels: tuple[str, ...] = ()
    agreed: tuple[str, ...] = ()


class DecryptionTask(Task):
    """One hospital's part in the decryption of one round; done when the sum is known here."""

    def __init__(
        self,
        terms: Terms,
        secret: HeldKey,
        name: str,
        storage: Storage,
        approve: Callable[[Question], bool],
    ) -> None:
        self._terms, (self._epoch, self._secret) = terms, secret
        self._ledger, self._approve = SetLedger(storage), approve
        self._asked = self._stated = False
        self._history = OpenedSets(terms)
        self.session = round_session(name)
        view = RoundView(self.session)
        self.member = RoundMember(view, terms, self._epoch, self._secret, self._history)
        self._own = OwnChecksum(self.member)

    @property
    def done(self) -> bool:
        """Whether this hospital knows the sum, has helped the others to it if it locked the set,
        has named who sent it a wrong part, and has said what the sum is if it is a statistic.
        """
        member = self.member
        if member.plaintexts is None or member.owes_partial or member.owes_complaint:
            return False
        return self._stated or not self._is_statistic

    @property
    def sums(self) -> list[Decimal]:
        """The decrypted sums of a statistic round, exactly. Raises CorruptSum."""
        opening = self.member.view.terms_of_opening
        assert self.member.plaintexts is not None and opening is not None
        return decode_sums(self.member.plaintexts, opening.decimals, self._epoch.joint_key().n)

    @property
    def labels(self) -> tuple[str, ...]:
        """What a member who asked for the statistic calls its numbers; nothing if it did not."""
        request = request_of(self.member.view)
        return request.labels if request else ()

    def waiting(self, board: Board) -> Waiting:
        """Its own vector, else what the round is waiting for."""
        if self.wanted_blobs():
            return Waiting("vector", (AGGREGATOR,))
        return round_waiting(RoundView.of(self.session, board.session(self.session)), self._terms)

    def begin(self, board: Board) -> None:
        """Take note of which sums are open, and of which rounds were open before a restore."""
        self._history.follow(board.entries)
        self._ledger.begin(board)

    def needs(self, posted: Posted) -> bool:
        """Contributions to the open round, and parts of the closed one."""
        return self.member.view.needs(posted)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Raises Refused once this hospital's refusal is on the board."""
        self.member.receive(posted, payloads)
        body, sender = posted.post.body, posted.post.sender
        if sender != self.member.index:
            return
        if isinstance(body, Refusal):
            raise Refused(self.member.view.name, body.rule, body.member, body.reason)
        self._stated = self._stated or isinstance(body, Statement)

    def due(self) -> Draft | None:
        """A lock, a partial decryption, a complaint, a refusal, or the statement of the result."""
        member = self.member
        if member.view.closing and not self._asked:
            self._asked = True
            member.consent = self._ask()
        if draft := member.due(self._ledger):
            return draft
        if member.plaintexts is None or self._stated or not self._is_statistic:
            return None
        # Of the numbers not even a hash is said: whoever reads the board could guess them by it.
        # The set and the parts that all have verified fix them.
        result = member.view.chosen(self._terms.federation)
        assert result is not None
        return Draft(member.view.session, Statement(result, len(member.plaintexts)))

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        """This hospital's own vector, where its lock waits for the checksum."""
        return self._own.wanted()

    def receive_blob(self, name: bytes, data: bytes) -> None:
        """Take the vector's next chunk."""
        self._own.take(data)

    @property
    def _is_statistic(self) -> bool:
        opening = self.member.view.terms_of_opening
        return opening is not None and opening.kind == "statistic"

    def _ask(self) -> bool:
        """Ask only where the rules allow; where they do not, the refusal is posted unasked.

        Who has locked the set has been asked before.
        """
        if self.member.index in self.member.view.locks:
            return True
        try:
            total = self.member.check_set()
        except Refused:
            return True
        found = self.member.difference
        if found and self._terms.rounds.differencing == "refuse":
            return True
        warning = found.reason(self._terms) if found else ""
        closing, opening = self.member.view.closed, self.member.view.terms_of_opening
        assert closing is not None and opening is not None
        names = tuple(self._terms.name_of(c.member) for c in closing.contributors)
        count = len(total.values)
        view = self.member.view
        agreed = tuple(self._terms.name_of(m) for m in sorted(view.locks))
        request = Question(view.name, opening.kind, names, count, warning, self.labels, agreed)
        return self._approve(request)
