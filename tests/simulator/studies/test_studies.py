"""Several studies at once under faults: what is opened, who must have approved it, how it ends."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from aggregator.rounds.sums import OpenRound
from participant.errors import NotApproved, StudyEnded, StudyTaken
from participant.rounds.task import DecryptionTask
from participant.waiting import Waiting
from protocol.board.study import StudyState
from protocol.errors import Refused
from protocol.messages.rounds import Near
from protocol.rounds import set_rules
from protocol.rounds.history import OpenedSets
from tests.sampled import sampled
from tests.simulator.federation import Federation
from tests.simulator.hospital import Hospital
from tests.simulator.oracle import Violation, simulate
from tests.simulator.plan import Plan
from tests.simulator.studies.script import StudyScript, Word, common
from tests.stage.rounds.delayed import excuse_rows

SEEDS, FAST, CHUNK = 200, 20, 10
CALM = Plan(seed=0, n_members=4, quorum=2, founded=True)


@pytest.mark.parametrize(
    "first",
    [
        *range(0, FAST, CHUNK),
        *(pytest.param(k, marks=pytest.mark.slow) for k in range(FAST, SEEDS, CHUNK)),
    ],
)
def test_every_run_opens_nothing_unapproved_shows_nobody_and_ends(first: int) -> None:
    for seed in range(first, first + CHUNK):
        try:
            assert simulate(Plan.of_studies(seed)) in ("done", "fork"), f"seed {seed}"
        except Violation as found:
            raise AssertionError(f"seed {seed}") from found


def played(*scripts: StudyScript, plan: Plan = CALM) -> Federation:
    """A run that is as it must be; raises Violation if it is not."""
    seen: list[Federation] = []
    assert simulate(replace(plan, scripts=scripts), seen.append) == "done"
    return seen[0]


def statistic(name: str, members: Iterable[int] = (1, 2, 3, 4), **changes: object) -> StudyScript:
    """One over some hospitals; the others approve to open."""
    chosen = tuple(members)
    found = common(4, name=name, kind="statistic", members=chosen)
    words = tuple(
        w if w.what == "propose" or w.member in chosen else replace(w, what="open")
        for w in found.words
    )
    return replace(found, words=words, **changes)  # type: ignore[arg-type]


def later(script: StudyScript, seconds: float) -> StudyScript:
    """The same, so much later."""
    return replace(script, words=tuple(replace(w, at=w.at + seconds) for w in script.words))


def opened(federation: Federation) -> set[str]:
    """The rounds whose sums a quorum has decrypted, as people say them."""
    views, quorum = federation.aggregator.rounds.views.values(), federation.terms.quorum
    return {view.name for view in views if len(view.partials) >= quorum}


# ── several at once ──


def test_studies_of_other_starts_run_side_by_side() -> None:
    scripts = common(4, 2), common(4, 1, "lungs", source=1), statistic("age", source=2)
    federation = played(*scripts)
    assert opened(federation) == {"cardio/1", "cardio/2", "lungs/1", "age/1"}
    views = federation.aggregator.rounds.views
    starts = [views[f"study/{name}/1"].opening for name in ("cardio", "lungs", "age")]
    ends = [views[f"study/{name}/1"].closing for name in ("cardio", "lungs", "age")]
    assert all(starts)
    assert all(ends)
    assert max(p.position for p in starts if p) < min(p.position for p in ends if p)


def test_studies_of_one_start_follow_each_other() -> None:
    federation = played(common(4), common(4, 1, "lungs"))
    assert opened(federation) == {"cardio/1", "lungs/1"}
    first, second = sorted(
        (view for s, view in federation.aggregator.rounds.views.items() if s.endswith("/1")),
        key=lambda view: view.contributions[1].position,
    )
    locks = sorted(p.position for p in first.lock_posts.values())
    assert min(p.position for p in second.contributions.values()) > locks[2]


def test_a_study_goes_on_from_the_model_of_another() -> None:
    after = later(common(4, 1, "lungs", after=("cardio", 2)), 100)
    assert opened(played(common(4, 2), after)) == {"cardio/1", "cardio/2", "lungs/1"}


@pytest.mark.parametrize("data", ["patients", "other"])
def test_a_mean_over_one_hospital_fewer_is_never_opened(data: str) -> None:
    """Whatever the plan calls the data, since the hospitals know their numbers again."""
    federation = played(statistic("all"), later(statistic("fewer", (1, 2, 3), data=data), 30))
    assert opened(federation) == {"all/1"}
    ends = [h.person.ended for h in federation.hospitals.values()]
    found = {type(e) for jobs in ends for job, e in jobs.items() if job.study == "fewer" and e}
    assert found <= {Refused, StudyEnded}


def in_the_name_of_another() -> tuple[StudyScript, ...]:
    """A mean over 1 to 3, a count over all; then the mean over all, by the name of the count."""
    return (
        statistic("mean", (1, 2, 3), data="visits"),
        later(statistic("count", source=1), 30),
        later(statistic("again"), 60),
    )


def test_a_mean_in_the_name_of_a_count_that_is_open_is_never_opened() -> None:
    assert opened(played(*in_the_name_of_another())) == {"mean/1", "count/1"}


def test_who_approves_late_is_in_the_next_round_and_holds_the_same_models() -> None:
    script = common(4, 3)
    words = tuple(replace(w, at=22.0) if w.member == 4 else w for w in script.words)
    federation = played(replace(script, words=words))
    views = federation.aggregator.rounds.views
    assert views["study/cardio/1"].contributors == [1, 2, 3]
    assert 4 in views["study/cardio/3"].contributors


def test_a_withdrawal_leaves_a_study_to_the_others() -> None:
    script = common(4, 3)
    words = (*script.words, Word(2.0, 2, "withdraw"))
    federation = played(replace(script, words=words))
    views = federation.aggregator.rounds.views
    assert views["study/cardio/3"].contributors == [1, 3, 4]
    ended = federation.hospitals[2].person.ended
    assert any(isinstance(error, NotApproved) for error in ended.values())


def test_a_study_that_too_few_approve_is_opened_never_and_ended_by_all() -> None:
    script = common(4)
    words = tuple(w for w in script.words if w.member < 3 or w.what == "propose")
    federation = played(replace(script, words=words))
    assert not opened(federation)
    assert federation.board.studies["cardio"].is_ended()


def test_of_two_plans_of_one_name_one_is_the_study() -> None:
    rival = replace(common(4), words=(Word(0.0, 4, "propose"),), variant=1)
    federation = played(common(4), rival)
    assert opened(federation) == {"cardio/1"}
    ends = [e for h in federation.hospitals.values() for e in h.person.ended.values()]
    assert sum(isinstance(error, StudyTaken) for error in ends) == 1


@pytest.mark.parametrize("laggard", [1, 4])
def test_a_board_that_comes_late_to_one_hospital_holds_up_nobody_for_good(laggard: int) -> None:
    scripts = common(4, 2), statistic("age")
    federation = played(*scripts, plan=replace(CALM, laggard=laggard))
    assert opened(federation) == {"cardio/1", "cardio/2", "age/1"}


# ── a fork that nobody sees ──


def parting() -> Plan:
    """All have changed sides when what hospitals 3 and 4 say comes to one board each."""
    script = statistic("age")
    words = tuple(replace(w, at=60.0) if w.member > 2 else w for w in script.words)
    return replace(CALM, fork=True, scripts=(replace(script, words=words),))


def test_of_a_fork_that_nobody_sees_each_side_is_told_whom_it_waits_for() -> None:
    seen: list[Federation] = []
    assert simulate(parting(), seen.append) == "fork"
    hospitals = seen[0].hospitals.values()
    assert not any(hospital.failure for hospital in hospitals)
    waits = [w for h in hospitals if h.agent for w in named(h)]
    assert waits == [(2,), (1,), (2,), (1,)]  # to contribute


def test_a_study_that_starts_from_one_at_the_other_board_waits_for_that_board() -> None:
    assert simulate(Plan.of_studies(45472)) == "fork"


def named(hospital: Hospital) -> list[tuple[int, ...]]:
    assert hospital.agent is not None
    board = hospital.agent.board
    return [task.waiting(board).members for task in hospital.person._running]


def test_planted_waits_for_nobody_at_the_other_board_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(DecryptionTask, "waiting", lambda task, board: Waiting("task", (0,)))
    with pytest.raises(Violation, match="no end in sight"):
        simulate(parting())


# ── a crash at each durable moment ──


MATRIX = replace(  # with vectors, which the aggregator adds on its disk
    CALM,
    n_members=3,
    scripts=(common(3, 2, suite="hybrid"), common(3, 1, "age", kind="statistic", source=1)),
)
EVERY = 40  # tests/simulator/kill goes through all of them, role by role


def moments() -> dict[int, int]:
    """How many there are in a calm run, by hospital; 0 is the aggregator."""
    seen: list[Federation] = []
    simulate(MATRIX, seen.append)
    return dict(seen[0].moments)


@pytest.mark.parametrize("who", sampled(range(3), 3))
def test_a_crash_at_some_durable_moments_changes_nothing(who: int) -> None:
    for moment in range(1, moments()[who] + 1, EVERY):
        seen: list[Federation] = []
        assert simulate(replace(MATRIX, crash_at=(who, moment)), seen.append) == "done", moment
        assert opened(seen[0]) == {"cardio/1", "cardio/2", "age/1"}, moment


# ── what the oracles find, each check left out ──


FEWER = (statistic("all"), later(statistic("fewer", (1, 2, 3)), 30))


def test_planted_sums_that_show_one_hospital_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenedSets, "closable", lambda sets, view, members: members)
    monkeypatch.setattr(OpenedSets, "difference", lambda sets, view: None)
    with pytest.raises(Violation, match=r"show what \(4,\) added"):
        played(*FEWER)


def test_planted_numbers_that_a_hospital_does_not_know_again_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "participant.statistic.same_numbers.SameNumbers.near", lambda same, *given: Near()
    )
    with pytest.raises(Violation, match=r"show what \(4,\) added"):
        played(FEWER[0], replace(FEWER[1], data="other"))


def test_a_planted_excuse_of_sums_of_one_row_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    excuse_rows(monkeypatch)
    with pytest.raises(Violation, match=r"show what \(4,\) added"):
        played(*in_the_name_of_another())


def test_planted_locks_without_an_approval_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StudyState, "opens", lambda state, member, before=None: True)
    script = common(4)
    words = tuple(
        replace(w, what="contribute") if (w.member, w.what) == (2, "approve") else w
        for w in script.words
    )
    with pytest.raises(Violation, match="locked unasked"):
        played(replace(script, words=words))


def test_planted_contributions_of_who_has_withdrawn_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OpenRound, "_is_approved", lambda found, member: True)
    monkeypatch.setattr(
        set_rules._Set, "_contributors", lambda found, closed: found.view.contributors
    )
    with pytest.raises(Violation, match="had withdrawn"):
        simulate(replace(CALM, scripts=(WITHDRAWING,)), absent)


WITHDRAWING = replace(common(4), words=(*common(4).words, Word(8.0, 2, "withdraw")))


def absent(federation: Federation) -> None:
    """Hospital 4 is down for some time once the round is open, and the others wait for it."""
    hospital = federation.hospitals[4]

    def watch() -> None:
        views = federation.aggregator.rounds.views
        view = views.get("study/cardio/1")
        if view is None or not view.opening or hospital.crashes:
            return
        hospital.crash()
        federation._link(hospital).up = False
        federation.clock.after(15.0, lambda: federation._start_hospital(hospital))

    federation._every(0.01, watch)


def test_who_withdraws_from_an_open_round_is_left_out_of_it() -> None:
    seen: list[Federation] = []

    def prepare(federation: Federation) -> None:
        seen.append(federation)
        absent(federation)

    assert simulate(replace(CALM, scripts=(WITHDRAWING,)), prepare) == "done"
    view = seen[0].aggregator.rounds.views["study/cardio/1"]
    assert 2 in view.contributions
    assert view.contributors == [1, 3, 4]


def test_a_study_that_starts_from_another_is_proposed_once_that_one_is_known():
    """Its proposer was late here, and a proposal before it was refused for good."""
    assert simulate(Plan.of_studies(13325)) == "done"
