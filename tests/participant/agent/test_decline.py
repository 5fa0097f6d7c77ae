"""A post that the aggregator declines: forgotten only if the hospital's own board bears it out."""

from pathlib import Path

import pytest

from aggregator.server.service import Aggregator
from participant.agent.agent import Agent
from participant.agent.decline import bears_out
from participant.agent.outbox import Outbox
from participant.errors import RejectedByAggregator
from protocol.board.board import Board
from protocol.board.budget import Budget
from protocol.board.draft import Draft
from protocol.board.key_history import KeyHistory
from protocol.board.post import Post, SignedPost
from protocol.board.study import Studies
from protocol.messages.attachment import attach, blob_name
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Abort, Certificate, Join, Step
from protocol.messages.rounds import Contribution
from protocol.wire.frames import Accepted, Declined, Entries, Submit, Welcome
from tests.simulator.disk import Disk
from tests.stage.rounds.served_hybrid import hybrid_desk
from tests.stage.saying import FEDERATION, Saying, agent, aggregator, connect, proposing

JOIN = Join(b"k", bytes(32))
TOO_EARLY = Draft("ceremony/2", JOIN)  # nobody has aborted ceremony/1


def test_a_post_beyond_the_budget_is_dropped_and_the_next_one_is_said(tmp_path: Path) -> None:
    service, disk = aggregator(tmp_path), Disk()
    with pytest.raises(RejectedByAggregator) as caught:
        connect(agent(1, disk, TOO_EARLY), service)
    assert caught.value.code == "over-budget"
    connect(agent(1, disk, proposing(1)), service)
    assert [p.post.session for p in service.board.entries] == ["study/s1"]


class Repeating(Saying):
    """Says the same as long as the board does not have it, as tasks do."""

    def due(self) -> Draft | None:
        return self.drafts[0]


def test_a_post_that_stands_on_the_board_beyond_the_budget_is_not_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The aggregator should have declined it, and would have it signed again and again."""
    service, disk = aggregator(tmp_path), Disk()

    def put(member: int, signed: SignedPost) -> Accepted:
        service._append(signed)
        return Accepted(signed.digest, service.board.head.position)

    monkeypatch.setattr(service, "_submit", put)
    task = Repeating(TOO_EARLY)
    with pytest.raises(RejectedByAggregator, match="ceremony 2 cannot") as caught:
        connect(Agent(FEDERATION.terms, 1, FEDERATION.keys[1], disk, task), service)
    assert caught.value.code == "over-budget"
    assert len(service.board.entries) == 1
    assert Outbox(disk).pending is None


def saying(service: Aggregator, disk: Disk) -> tuple[Agent, SignedPost]:
    """An agent that has begun to say something, and what."""
    first = agent(1, disk, proposing(1))
    first.connected(Welcome(*service.board.head))
    first.step()
    (said,) = submitted(first)
    return first, said


def submitted(first: Agent) -> list[SignedPost]:
    return [f.post for f in first.outgoing() if isinstance(f, Submit)]


def test_a_post_within_the_budget_is_kept_and_a_second_decline_is_named(tmp_path: Path) -> None:
    service, disk = aggregator(tmp_path), Disk()
    first, said = saying(service, disk)
    first.receive(Declined(said.digest, "no"))
    assert submitted(first) == [], "what it may be declined for is read first"
    first.receive(Entries((), 0))
    assert submitted(first) == [said]
    first.receive(Declined(said.digest, "no"))
    with pytest.raises(RejectedByAggregator) as caught:
        first.receive(Entries((), 0))
    assert caught.value.code == "false-decline"
    connect(agent(1, disk), service)
    assert [p.digest for p in service.board.entries] == [said.digest]


def test_an_honest_aggregator_may_decline_a_post_twice_before_it_is_seen_why(
    tmp_path: Path,
) -> None:
    """Another has taken the name. The post was sent anew after a silence, and entries lag."""
    service, disk = aggregator(tmp_path), Disk()
    first, said = saying(service, disk)
    connect(agent(2, Disk(), proposing(0), proposing(1, "Another.")), service)
    first.nudge()
    answers = [service.receive(1, Submit(post)) for post in [said, *submitted(first)]]
    assert [type(answer) for (answer,) in answers] == [Declined, Declined]
    for (answer,) in answers:
        first.receive(answer)
    found = service.entries_after(0)
    assert len(found.entries) == 2
    first.receive(Entries(found.entries[:1], found.head))  # the first page
    assert submitted(first) == []
    with pytest.raises(RejectedByAggregator, match="name s1 is taken") as caught:
        first.receive(Entries(found.entries[1:], found.head))
    assert caught.value.code == "over-budget"
    assert Outbox(disk).pending is None


def test_a_decline_that_the_board_does_not_bear_out_is_named_over_another_link(
    tmp_path: Path,
) -> None:
    service = aggregator(tmp_path)
    first, said = saying(service, Disk())
    first.receive(Declined(said.digest, "no"))
    first.disconnected()
    for _ in range(2):
        first.connected(Welcome(*service.board.head))
        first.step()
        assert submitted(first) == [said]
        first.receive(Declined(said.digest, "no"))
        first.disconnected()
    first.connected(Welcome(*service.board.head))
    first.step()
    first.receive(Declined(said.digest, "no"))
    first.receive(Entries((), 0))
    first.receive(Declined(said.digest, "no"))
    with pytest.raises(RejectedByAggregator) as caught:
        first.receive(Entries((), 0))
    assert caught.value.code == "false-decline"


def test_a_chunk_that_is_too_large_is_borne_out_by_the_board_and_the_outbox(tmp_path: Path) -> None:
    """The board has no sizes of chunks, and the aggregator declines it all the same, rightly."""
    desk, disk = hybrid_desk(tmp_path), Disk()
    desk.open_training()
    opening = desk.opened("study/cardio/1")
    chunk = bytes(1 << 20)
    body = Contribution(opening.digest, attach(b""), (blob_name(chunk),))
    federation = desk.federation
    task = Saying(Draft("study/cardio/1", body, (chunk,)))
    with pytest.raises(RejectedByAggregator) as caught:
        connect(Agent(federation.terms, 2, federation.keys[2], disk, task), desk.service)
    assert caught.value.code == "over-budget"
    assert Outbox(disk).pending is None


@pytest.mark.parametrize(
    ("body", "is_forgotten"), [(JOIN, True), (Certificate(bytes(32), b""), False)]
)
def test_a_certificate_is_never_forgotten_whatever_the_budget(
    body: Body, is_forgotten: bool
) -> None:
    terms = FEDERATION.terms
    post = Post(terms.federation, "ceremony/2", 1, 0, 0, bytes(32), body)
    assert Board(terms).excess(post, 0)
    assert bears_out(Board(terms), post, {}) is is_forgotten


def test_no_certificate_is_beyond_the_budget_for_what_its_sender_said_after_an_abort() -> None:
    terms, session = FEDERATION.terms, "ceremony/1"
    budget = Budget(terms, Studies(terms), KeyHistory(terms))
    budget.take(1, session, 2, Abort(0, "trial", "no"), 0)
    for k in (2, 3):
        budget.take(k, session, 1, Step("trial", 0, 0, ()), 0)
    assert budget.excess(session, 1, JOIN, 0)
    certificate = Certificate(bytes(32), b"")
    assert not budget.excess(session, 1, certificate, 0)
    for k in (4, 5):
        budget.take(k, session, 1, certificate, 0)
    assert budget.excess(session, 1, certificate, 0)
