"""A hospital's machine goes back to a snapshot, with an honest aggregator: it goes on, marked."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from participant.agent.agent import Agent
from participant.agent.outbox import Outbox
from protocol.board.post import Post
from protocol.messages.rounds import Contribution, Opening, SetLock, Statement
from tests.simulator.disk import Disk
from tests.simulator.federation import Federation
from tests.simulator.oracle import Violation, simulate
from tests.simulator.plan import Plan
from tests.stage.saying import Saying, connect
from tests.stage.studies import proposal, statistic_study

WHO = 2
CALM = Plan(seed=0, n_members=3, quorum=2, rounds=2)


def has_said(federation: Federation, session: str, kind: type) -> bool:
    return any(kind is type(body) for body in said_in(federation, session))


def said_in(federation: Federation, session: str, sender: int = WHO) -> list[object]:
    """What one hospital has said in a session."""
    entries = federation.board.session(session)
    return [p.post.body for p in entries if p.post.sender == sender]


def setting_back(
    taken: tuple[str, type], put_back: tuple[str, type]
) -> Callable[[Federation], None]:
    """A snapshot is taken, and put back, as soon as the board has what the hospital says then."""

    def prepare(federation: Federation) -> None:
        hospital, snapshot = federation.hospitals[WHO], dict[str, bytes]()

        def watch() -> None:
            if not snapshot and has_said(federation, *taken):
                snapshot.update(hospital.disk.files)
            if snapshot and not federation.set_back and has_said(federation, *put_back):
                federation.set_back.add(WHO)
                federation._crash_hospital(hospital)
                hospital.disk.files = dict(snapshot)

        federation._every(0.01, watch)

    return prepare


MOMENTS = {
    "before its lock": (("study/cardio/0", Statement), ("study/cardio/1", Contribution)),
    "after its lock": (("study/cardio/0", Statement), ("study/cardio/1", SetLock)),
    "a round later": (("study/cardio/0", Statement), ("study/cardio/2", Contribution)),
    "within a round": (("study/cardio/1", Contribution), ("study/cardio/1", SetLock)),
}


FAST = [(3, "before its lock"), (3, "within a round")]
SLOW = [(n, moment) for n in (3, 4) for moment in MOMENTS if (n, moment) not in FAST]


@pytest.mark.parametrize(
    ("n", "moment"), [*FAST, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)]
)
def test_a_hospital_that_is_set_back_catches_up_and_locks_nothing_that_was_open(
    n: int, moment: str
) -> None:
    seen: list[Federation] = []

    def prepare(federation: Federation) -> None:
        seen.append(federation)
        setting_back(*MOMENTS[moment])(federation)

    assert simulate(replace(CALM, n_members=n), prepare) == "done"
    (federation,) = seen
    assert federation.set_back == {WHO}
    openings = [p for p in federation.board.entries if isinstance(p.post.body, Opening)]
    (session, said) = MOMENTS[moment][1]
    for opening in openings:
        locks = [b for b in said_in(federation, opening.post.session) if isinstance(b, SetLock)]
        is_barred = opening.post.session == session and said is Contribution
        assert len(locks) == (0 if is_barred else 1), opening.post.session


def test_a_home_comes_back_with_a_post_on_its_way_after_the_hospital_spoke_elsewhere() -> None:
    """It was restored elsewhere meanwhile, and proposed two statistics there."""
    seen: list[Federation] = []

    def prepare(federation: Federation) -> None:
        seen.append(federation)
        hospital = federation.hospitals[WHO]

        def watch() -> None:
            is_ready = hospital.agent is not None and hospital.disk.read("outbox/post") is not None
            is_early = not has_said(federation, "study/cardio/0", Statement)
            if federation.set_back or not is_ready or is_early:
                return
            service, pending = federation.aggregator, Outbox(hospital.disk).pending
            assert pending is not None
            if pending.signed.digest in {posted.digest for posted in service.board.entries}:
                return
            federation.set_back.add(WHO)
            federation._crash_hospital(hospital)  # its line is cut: the post has not arrived
            asked = [proposal(statistic_study(hospital.terms, 1, name)) for name in ("one", "two")]
            elsewhere = Agent(hospital.terms, WHO, hospital.key, Disk(), Saying(*asked))
            connect(elsewhere, service)
            passed_by.append(pending.post)

        federation._every(0.004, watch)

    passed_by: list[Post] = []
    assert simulate(CALM, prepare) == "done"
    (federation,), (post,) = seen, passed_by
    assert post not in [posted.post for posted in federation.board.entries]
    assert type(post.body) in map(type, said_in(federation, post.session)), "said anew"


def test_without_a_mark_the_oracle_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agent, "_notice_set_back", lambda agent: None)
    with pytest.raises(Violation, match="set back"):
        simulate(CALM, setting_back(*MOMENTS["before its lock"]))
