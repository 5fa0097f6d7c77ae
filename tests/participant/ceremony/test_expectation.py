"""How long a ceremony probably takes, with clocks that stand still unless moved."""

from dataclasses import dataclass, field

import pytest

from participant.ceremony.calibration import CeremonyCost
from participant.ceremony.expectation import (
    FIRST_SLICE_SECONDS,
    SLICE_SECONDS,
    CeremonyOutlook,
    Watch,
)
from protocol.ceremony.expectation import layout_of, mean_candidates
from protocol.ceremony.machine import CeremonyProgress
from tests.stage.toy import CeremonyTable, toy_federation

TERMS = toy_federation(3, 2).terms
BATCH = layout_of(TERMS).batch_size
COST = CeremonyCost(candidate_seconds=0.1, ending_seconds=3.0)


@dataclass
class Measured:
    """In the place of a calibration: costs as given, and how much was asked for."""

    cost: CeremonyCost = COST
    done: bool = False
    slices: list[float] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        self.slices.append(seconds)


@dataclass
class Seen:
    """A watch on a ceremony, and the time."""

    now: float = 100.0
    measured: Measured = field(default_factory=Measured)

    def __post_init__(self) -> None:
        self.watch = Watch(TERMS, self.measured, lambda: self.now)  # type: ignore[arg-type]

    def at(
        self, step: str, batches: int = 0, waiting: tuple[int, ...] = (), after: float = 0.0
    ) -> CeremonyOutlook:
        self.now += after
        candidates = batches * BATCH
        progress = CeremonyProgress(step, waiting, candidates, 113.6, candidates // 6, 17.8)
        return self.watch.facts(progress)

    def past_batches(self, count: int, seconds: float) -> CeremonyOutlook:
        """So many batches, each of which takes so long."""
        self.at("deal")
        for k in range(1, count + 1):
            self.at("screen-commit", k, after=seconds / 2)
            self.at("deal", k, after=seconds / 4)
            facts = self.at("moduli-commit", k, after=seconds / 4)
        return facts


def searching(pace: float, ending: float) -> float:
    return pace * mean_candidates(TERMS) + ending


def test_members_are_named_by_whether_they_have_joined() -> None:
    facts = Seen().at("join", waiting=(2,))
    assert (facts.joined, facts.waiting_for) == (("H1", "H3"), ("H2",))


def test_in_later_steps_all_have_joined() -> None:
    facts = Seen().at("deal", waiting=(2,))
    assert (facts.joined, facts.waiting_for) == (("H1", "H2", "H3"), ("H2",))


def test_a_first_figure_is_there_after_the_first_slice() -> None:
    seen = Seen()
    assert seen.measured.slices == [FIRST_SLICE_SECONDS]
    assert seen.watch.expectation.mean_seconds == pytest.approx(searching(0.1, 3.0))


def test_slices_are_measured_until_all_have_joined() -> None:
    seen = Seen()
    seen.at("join", waiting=(2,))
    assert seen.watch.calibrate()
    seen.at("deal")
    assert not seen.watch.calibrate()
    assert seen.measured.slices == [FIRST_SLICE_SECONDS, SLICE_SECONDS]


def test_no_slice_is_wanted_once_enough_is_measured() -> None:
    seen = Seen()
    seen.measured.done = True
    assert not seen.watch.calibrate()


def test_a_better_calibration_while_others_join_betters_the_figure() -> None:
    seen = Seen()
    seen.measured.cost = CeremonyCost(0.2, 3.0)
    facts = seen.at("join", waiting=(2,))
    assert facts.expected_seconds == pytest.approx(searching(0.2, 3.0))


def test_half_and_most_of_all_ceremonies_end_with_a_batch() -> None:
    """Batches of half the expected number: 1 - e^-1 after two, 1 - e^-3 after six."""
    expectation = Seen().watch.expectation
    assert expectation.half_seconds == pytest.approx(2 * BATCH * 0.1 + 3.0)
    assert expectation.most_seconds == pytest.approx(6 * BATCH * 0.1 + 3.0)


def test_time_runs_from_the_last_joining() -> None:
    seen = Seen()
    assert seen.at("join", waiting=(2,), after=3_600).elapsed_seconds == 3_600
    assert seen.at("deal").elapsed_seconds == 0
    assert seen.at("moduli", after=5).elapsed_seconds == 5


def test_what_remains_is_the_same_before_every_batch() -> None:
    seen = Seen()
    before = seen.at("deal").remaining_seconds
    for batches in range(1, 5):
        facts = seen.at("deal", batches, after=BATCH * 0.1)
        assert facts.remaining_seconds == pytest.approx(before)
        assert facts.elapsed_seconds == pytest.approx(batches * BATCH * 0.1)


def test_the_pace_is_the_calibrated_one_until_a_batch_has_been_tried() -> None:
    seen = Seen()
    seen.at("deal")
    facts = seen.at("screen-commit", 1, after=1_000)
    assert facts.expected_seconds == pytest.approx(searching(0.1, 3.0))


def test_then_the_pace_is_the_measured_one_and_the_end_is_slower_too() -> None:
    facts = Seen().past_batches(2, BATCH * 0.4)
    assert facts.expected_seconds == pytest.approx(searching(0.4, 12.0))


def test_the_pace_is_measured_as_soon_as_a_batch_is_tried_and_again_when_it_is_checked() -> None:
    seen = Seen()
    seen.at("deal")
    tried = seen.at("deal", 1, after=BATCH * 0.2)
    assert tried.remaining_seconds == pytest.approx(searching(0.2, 6.0))
    assert seen.at("deal", 1, after=50).remaining_seconds == tried.remaining_seconds
    checked = seen.at("moduli-commit", 1, after=BATCH * 0.1 - 50)
    assert checked.remaining_seconds == pytest.approx(searching(0.3, 9.0))


def test_a_pace_better_than_calibrated_does_not_shorten_the_end() -> None:
    facts = Seen().past_batches(2, BATCH * 0.05)
    assert facts.expected_seconds == pytest.approx(searching(0.05, 3.0))


def test_waiting_within_a_step_does_not_slow_the_pace() -> None:
    seen = Seen()
    before = seen.past_batches(1, BATCH * 0.1)
    assert seen.at("moduli-commit", 1, after=500).expected_seconds == before.expected_seconds


def test_after_a_restart_only_what_it_has_seen_counts_for_the_pace() -> None:
    seen = Seen()
    seen.at("deal", 5)
    facts = seen.at("moduli-commit", 6, after=BATCH * 0.3)
    assert facts.expected_seconds == pytest.approx(searching(0.3, 9.0))


@pytest.mark.parametrize(("step", "tried"), [("moduli", 1), ("screen", 1), ("deal", 2)])
def test_a_batch_counts_when_all_of_it_is_tried(step: str, tried: int) -> None:
    """The machine counts its candidates as soon as their moduli are open."""
    opened = 1 if step == "moduli" else 2
    assert Seen().at(step, opened).candidates == tried * BATCH


@pytest.mark.parametrize(("batches", "share"), [(0, 0.0), (1, 0.39), (2, 0.63), (6, 0.95)])
def test_the_share_of_ceremonies_done_by_now_grows_with_the_batches(
    batches: int, share: float
) -> None:
    assert Seen().at("deal", batches).share_done_by_now == pytest.approx(share, abs=0.02)


def test_once_a_candidate_is_found_the_end_comes_nearer() -> None:
    seen = Seen()
    assert not seen.at("screen", 1).is_found
    assert seen.at("winner-commit", 1).is_found
    assert seen.at("theta", 1, after=1).remaining_seconds == pytest.approx(2.0)
    assert seen.at("trial", 1, after=9).remaining_seconds == 0
    assert seen.at("done", 1).remaining_seconds == 0


def test_a_candidate_that_fails_after_all_leaves_the_whole_wait() -> None:
    seen = Seen()
    seen.at("winner", 1)
    assert seen.at("deal", 1, after=2).remaining_seconds == pytest.approx(searching(0.1, 3.0))


def test_when_it_is_done_nobody_is_waited_for() -> None:
    assert Seen().at("done", 1, waiting=(1, 2, 3)).waiting_for == ()


def test_a_whole_ceremony_is_seen_from_the_joining_to_the_end() -> None:
    """Whatever the steps are called: it is found once, at whole batches, and ends with nothing."""
    table = CeremonyTable(toy_federation(3, 2))
    watch, seen = Watch(TERMS, Measured(), lambda: 0.0), list[CeremonyOutlook]()  # type: ignore[arg-type]
    while drafts := table.due():
        for sender, draft in drafts:
            table.publish(sender, draft)
            seen.append(watch.facts(table.machines[1].progress))
    assert (seen[0].step, seen[-1].step) == ("join", "done")
    assert [f.is_found for f in seen] == sorted(f.is_found for f in seen)
    assert {f.candidates % BATCH for f in seen} == {0}
    assert [f.candidates for f in seen] == sorted(f.candidates for f in seen)
    found = next(f for f in seen if f.is_found)
    assert found.candidates == seen[-1].candidates > 0
    assert seen[-1].remaining_seconds == 0
