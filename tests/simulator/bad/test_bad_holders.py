"""Up to f bad holders and an honest aggregator: the others finish, or all know why they wait.

A run fails if it does not end in time, if an honest hospital is named by anybody, if a model is not
the average of what was contributed, if a round is held back without need or without a word, if the
record fails, or if too few members come out of the opened sums.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from participant.rounds.held_back import HeldBack
from protocol.messages.rounds import Statement
from protocol.rounds import decryption
from protocol.rounds.decryption import RoundMember
from protocol.rounds.history import OpenedSets
from protocol.rounds.set_rules import Fitting
from protocol.rounds.view import RoundView
from tests.simulator.bad.federation import BadFederation, BadPlan, WayOut
from tests.simulator.bad.holder import UNFIT, Script
from tests.simulator.bad.oracle import judge, shows_few
from tests.simulator.federation import memory_folder
from tests.simulator.oracle import Violation

SEEDS, CHUNK = 160, 20
FAST = (4,)  # of four hospitals
SILENT = {(2, "give"): "gone"}


def play(plan: int | BadPlan) -> BadFederation:
    """A run that is as it must be; raises Violation if it is not."""
    plan = plan if isinstance(plan, BadPlan) else BadPlan.of(plan)
    with memory_folder() as folder:
        federation = BadFederation(plan, folder)
        judge(federation, federation.play())
        federation.aggregator.close()
        return federation


def void_then(
    then: dict[tuple[int, str], str], n: int = 4, way_out: WayOut = "comes back", **changes: Any
) -> BadPlan:
    """The last hospital voids round 1, and does something else after that."""
    script = Script({(1, "give"): "void", **then})
    plan = BadPlan(0, n, "auto", {n: script}, way_out, joins=False)
    return replace(plan, **changes)


@pytest.mark.parametrize("seed", FAST)
def test_beside_bad_holders_the_others_finish(seed: int) -> None:
    play(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_beside_bad_holders_the_others_finish_or_know_for_whom_they_wait(first: int) -> None:
    for seed in range(first, first + CHUNK):
        try:
            play(seed)
        except Violation as found:
            raise AssertionError(f"seed {seed}") from found


@pytest.mark.slow
def test_what_is_drawn_is_not_idle() -> None:
    """Bad holders do what they are told, rounds are void and held back, both ways out are taken."""
    runs = [play(seed) for seed in (2, 8, 22, 23, 43, 322)]
    assert {"comes back", "ends"} <= {h.way_out for run in runs for h in run.holds}
    assert all(any(h.did for h in run.hospitals.values()) for run in runs)
    assert any(e[2] == "void" for run in runs for h in run.honest for e in h.events)


# ── each way out ──


@pytest.mark.parametrize("way_out", ["comes back", "ends"])
def test_a_round_is_held_back_after_a_void_one_and_each_way_out_leads_on(way_out: WayOut) -> None:
    federation = play(void_then(SILENT, way_out=way_out))
    (hold,) = federation.holds
    assert (hold.number, hold.awaited, hold.way_out) == (2, {4}, way_out)


@pytest.mark.parametrize(
    "act", [UNFIT[0], *(pytest.param(a, marks=pytest.mark.slow) for a in UNFIT[1:])]
)
def test_what_cannot_be_added_holds_back_as_silence_does_and_nobody_is_waited_for(act: str) -> None:
    (hold,) = play(void_then({(2, "give"): act})).holds
    assert (hold.awaited, hold.way_out) == (set(), "ends")


@pytest.mark.slow
@pytest.mark.parametrize("way_out", ["comes back", "ends"])
def test_under_the_hybrid_suite_it_is_the_same(way_out: WayOut) -> None:
    (hold,) = play(void_then(SILENT, way_out=way_out, suite="hybrid")).holds
    assert hold.awaited == {4}
    (hold,) = play(void_then({(2, "give"): "short"}, way_out=way_out, suite="hybrid")).holds
    assert hold.awaited == set()


@pytest.mark.slow
def test_six_hospitals_go_on_over_the_largest_sum_that_hides_enough() -> None:
    assert not play(void_then(SILENT, n=6)).holds


# ── what the property finds, each mend left out ──


GOES_ON_ELSEWHERE = Script({(0, "state"): "digest", (1, "state"): "digest"})


def as_if_all_had_to_agree(patch: pytest.MonkeyPatch) -> BadPlan:
    real = RoundView.agreed

    def agreed(view: RoundView, least: int) -> dict[int, Statement]:
        return real(view, least) if len(set(view.statements.values())) == 1 else {}

    patch.setattr(RoundView, "agreed", agreed)
    return BadPlan(0, 4, "auto", {4: GOES_ON_ELSEWHERE}, "comes back", joins=False)


def as_if_only_all_could_be_added(patch: pytest.MonkeyPatch) -> BadPlan:
    real = OpenedSets.closable

    def closable(sets: OpenedSets, view: RoundView, members: frozenset[int]) -> frozenset[int]:
        whole = real(sets, view, members)
        return whole if whole == members else members - members

    patch.setattr(OpenedSets, "closable", closable)
    return void_then(SILENT, n=6)


def as_if_nobody_looked_for_held_back_rounds(patch: pytest.MonkeyPatch) -> BadPlan:
    patch.setattr(HeldBack, "look", lambda hold: False)
    return void_then(SILENT)


def as_if_hospitals_took_any_contribution_for_one_that_can_be_added(
    patch: pytest.MonkeyPatch,
) -> BadPlan:
    patch.setattr(Fitting, "members", property(lambda fit: frozenset(fit._view.contributions)))
    return void_then({(2, "give"): "unproved"})


def as_if_any_two_sums_could_be_opened(patch: pytest.MonkeyPatch) -> BadPlan:
    patch.setattr(OpenedSets, "closable", lambda sets, view, members: members)
    patch.setattr(RoundMember, "_check_difference", lambda member: None)
    return void_then(SILENT)


def as_if_every_accusation_were_true(patch: pytest.MonkeyPatch) -> BadPlan:
    patch.setattr(decryption, "judge_complaint", lambda *complaint: "proven")
    return BadPlan(0, 4, "auto", {4: Script({(1, "help"): "accuses"})}, "comes back", joins=False)


PLANTED: dict[Callable[[pytest.MonkeyPatch], BadPlan], str] = {
    as_if_all_had_to_agree: "no end in sight",
    as_if_nobody_looked_for_held_back_rounds: "no end in sight",
    as_if_hospitals_took_any_contribution_for_one_that_can_be_added: "no end in sight",
    as_if_any_two_sums_could_be_opened: "show [{]4[}]",
    as_if_every_accusation_were_true: "wrong-partial of",
}


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], BadPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Violation, match=PLANTED[plant]):
        play(plant(monkeypatch))


@pytest.mark.slow
def test_a_set_that_is_smaller_than_need_be_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Violation, match="is held back, but"):
        play(as_if_only_all_could_be_added(monkeypatch))


@pytest.mark.slow
def test_without_a_planted_fault_the_same_runs_are_as_they_must_be() -> None:
    for plant in [*PLANTED, as_if_only_all_could_be_added]:
        with pytest.MonkeyPatch.context() as patch:
            plan = plant(patch)
        play(plan)


def test_what_sums_show_is_seen_in_their_combinations() -> None:
    sets = [frozenset(one) for one in ({1, 2, 3}, {1, 4, 5}, {2, 3, 4, 5})]
    assert shows_few(sets, 5, 3) == {1}
    assert shows_few(sets[:2], 5, 3) is None
    assert shows_few([sets[0], sets[0]], 5, 3) is None
    assert shows_few([frozenset({1, 2, 3, 4}), frozenset({1, 2, 3})], 5, 3) == {4}
