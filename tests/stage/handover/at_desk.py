"""A handover through a service: what its members say is sent, and stands on the service's board."""

from collections.abc import Mapping

from protocol.board.post import Post, Posted, SignedPost
from protocol.encoding import decode
from protocol.key.epoch import EpochSecret
from protocol.messages.fields import MAX_POST_BYTES
from protocol.wire.frames import Accepted, Submit
from tests.stage.desk import Desk
from tests.stage.handover.posted import PostedHandover
from tests.stage.handover.rosters import Who
from tests.stage.toy import Table, toy_epoch


class DeskTable(Table):
    """The board of a desk's service as a table; to be made anew where the service is."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.federation)
        self.desk, self.board = desk, desk.service.board

    def put(self, signed: SignedPost) -> Posted:
        """Send a signed post, and see it accepted."""
        sender = decode(signed.post, Post, "post", MAX_POST_BYTES).sender
        answer = self.desk.ask(sender, Submit(signed))
        assert isinstance(answer, Accepted), answer
        return self.board.entries[answer.position - 1]


def secrets_of(desk: Desk) -> Mapping[int, EpochSecret]:
    """The members' shares of the key that the desk has certified."""
    terms = desk.federation.terms
    return toy_epoch(terms.n_members, terms.quorum).under().secrets


def handing_over(
    desk: Desk,
    who: Who | None = None,
    quorum: int = 2,
    secrets: Mapping[int, EpochSecret] | None = None,
) -> PostedHandover:
    """A desk's next handover, proposed: a refresh, or to these. The key is made before the first.

    secrets: the shares of a key that was handed over before.
    """
    if desk.service.epoch is None:
        desk.certify()
    everybody = list(desk.federation.members)
    return PostedHandover(DeskTable(desk), secrets or secrets_of(desk), who or everybody, quorum)
