"""Which of some contributions the aggregator would add, judged at one go."""

from collections.abc import Mapping
from types import SimpleNamespace

from aggregator.rounds.sums import OpenRound
from keyshare.steps import finish
from protocol.board.post import Post, Posted
from protocol.board.study import Study, StudyState
from protocol.key.epoch import Epoch
from protocol.messages.attachment import attach, blob_name
from protocol.messages.bodies import Body
from protocol.messages.plan import Approval
from protocol.messages.rounds import Contribution, Opening
from protocol.rounds.history import OpenedSets
from protocol.rounds.view import RoundView

OPENED = bytes(32)  # the name of the opening's post


def select(
    payloads: Mapping[int, bytes], session: str, opening: Opening, study: Study, epoch: Epoch
) -> OpenRound:
    """The round with these contributions, in the order of the board, and judged.

    All members of the study have approved it.
    """
    terms, state = study.terms, StudyState(study, 1, 0, 0)
    for member in study.members:
        state.take(0, 0, member, Approval(study.digest, True, True))

    def posted(position: int, sender: int, body: Body) -> Posted:
        post = Post(terms.federation, session, sender, 0, 0, bytes(32), body)
        return Posted(position, bytes(32), 0, post, OPENED)

    view = RoundView(session)
    view.receive(posted(1, 0, opening))
    for member, payload in payloads.items():
        body = Contribution(OPENED, attach(payload))
        view.receive(posted(2 + len(view.contributions), member, body))
    named = {blob_name(payload): payload for payload in payloads.values()}
    blobs = SimpleNamespace(payload=lambda attachment: named[attachment.digest])
    found = OpenRound(view, state, epoch, blobs, OpenedSets(terms))  # type: ignore[arg-type]
    while unjudged := found._unjudged():
        finish(found._judge(unjudged[0]))
    return found
