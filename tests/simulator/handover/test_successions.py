"""The key goes to other terms beside studies, under faults: who agrees, who has which share."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from typing import Any

import msgspec
import pytest

from participant.handover import HandoverTask, own
from participant.handover.own import OwnPlace
from participant.home.handover_shelf import HandoverShelf
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.handover import HandoverWord
from protocol.handover.attempt import Attempt
from protocol.messages.handover import HandedDealing
from protocol.messages.inherited_sums import InheritedSums
from tests.simulator.handover import successor_oracle as oracle
from tests.simulator.handover.federation import RefreshingFederation
from tests.simulator.handover.keeper import MuteTask
from tests.simulator.handover.script import FOR_GOOD, Away, Heir, Mute, RefreshScript, Wished
from tests.simulator.handover.succession import OldFederation
from tests.simulator.handover.successor_oracle import hand_over, handed_over
from tests.simulator.plan import Plan
from tests.simulator.studies.script import StudyScript, Word, common
from tests.simulator.studies.studied import Violation

SEEDS, CHUNK = 40, 4
# Hospital 2 leaves, and two come.
HEIR = Heir((3, "newcomer 1", 1, 4, "newcomer 2"), 3, (common(5, name="after", source=8),))
SCRIPT = RefreshScript(tuple(Wished(1 + 0.1 * m, m, 1) for m in range(1, 7)), heirs=(HEIR,))
CALM = Plan(
    seed=0, n_members=4, quorum=2, founded=True, step_seconds=40, patience=500.0,
    scripts=(common(4, 2),), refresh=SCRIPT,
)  # fmt: skip


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(CHUNK, SEEDS, CHUNK))]
)
def test_every_run_ends_with_one_federation_that_has_the_key(first: int) -> None:
    for seed in range(first, first + CHUNK):
        try:
            assert hand_over(Plan.of_handovers(seed)) in ("done", "fork"), f"seed {seed}"
        except Violation as found:
            raise AssertionError(f"seed {seed}") from found


@contextmanager
def played(plan: Plan = CALM, heir: Heir = HEIR, **changes: Any) -> Iterator[OldFederation]:
    """A run that has ended as it must, with changes of its script."""
    script = replace(SCRIPT, **{"heirs": (heir,), **changes})
    with handed_over(replace(plan, refresh=script)) as (federation, outcome):
        assert outcome == "done"
        yield federation


def ends(federation: OldFederation) -> list[str]:
    """How the attempts of a run have ended."""
    found = [handover.view.attempt for handover in federation.board.key.handovers.all]
    return ["settled" if a.is_settled else "released" if a.is_released else "thawed" for a in found]


# ── how it goes, and how it ends ──


def test_the_new_federation_works_with_the_same_key_on_its_own_board() -> None:
    with played() as federation:
        assert ends(federation) == ["settled"]
        (new,) = federation.heirs_at_work
        assert new.board.epoch is not None
        assert new.board.epoch.n == federation.board.key.epochs[0].epoch.n
        assert all(one.person.has_finished(HEIR.scripts[0]) for one in new.hospitals.values())


def test_the_new_federation_refreshes_the_key_that_it_took_over() -> None:
    again = replace(HEIR, wishes=tuple(Wished(30 + 0.1 * m, m) for m in range(1, 6)))
    with played(heir=again) as federation:
        (new,) = federation.heirs_at_work
        assert [known.epoch.number for known in new.board.key.epochs] == [2, 3]


@pytest.mark.parametrize("word", [HandoverWord.ARRIVE, HandoverWord.SHOW])
def test_a_new_hospital_that_is_silent_once_ends_one_attempt_and_not_the_next(
    word: HandoverWord,
) -> None:
    with played(mutes=(Mute(5, frozenset({word}), 1),)) as federation:
        assert ends(federation) == ["thawed", "settled"]


def test_a_new_hospital_that_never_acknowledges_keeps_nobody_from_the_new_key() -> None:
    acknowledge = frozenset({HandoverWord.ACKNOWLEDGE})
    with played(mutes=(Mute(5, acknowledge, FOR_GOOD),)) as federation:
        assert ends(federation) == ["released"]
        assert federation.heirs_at_work[0].board.epoch is not None


def test_a_hospital_that_lost_its_machine_is_done_without() -> None:
    heir = replace(HEIR, who=(3, "newcomer 1", 1, 4, "hospital 2"))
    wishes = tuple(w for w in SCRIPT.wishes if w.member != 2)
    with played(heir=heir, away=(Away(2, 0.5, inf),), wishes=wishes) as federation:
        assert ends(federation) == ["settled"]


@pytest.mark.parametrize("agreeing", [3, 4])
def test_a_quorum_falls_only_if_all_old_members_agree(agreeing: int) -> None:
    strict, weaker = replace(CALM, quorum=3), replace(HEIR, quorum=2)
    wishes = tuple(w for w in SCRIPT.wishes if not agreeing < w.member <= 4)
    with played(strict, weaker, wishes=wishes) as federation:
        assert (ends(federation)[-1] == "settled") == (agreeing == 4)


# ── what the oracles find, each check left out ──


def caught(match: str, plan: Plan = CALM) -> None:
    """It is found, whatever else it brings about."""
    with pytest.raises(AssertionError, match=match):
        hand_over(plan)


def test_planted_shares_that_are_given_up_too_early_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = OwnPlace.released

    def released(place: OwnPlace, board: Any, handover: Any) -> None:
        real(place, board, handover)
        place.member.vault.retire_key_share(handover.about.epoch.number)

    monkeypatch.setattr(OwnPlace, "released", released)
    caught("before all had the next one")


def test_planted_shares_of_those_who_leave_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnPlace, "settled", lambda place, handover: None)
    monkeypatch.setattr("protocol.handover.machine.may_erase_old", lambda attempt: False)
    caught("still has shares of epochs|never comes to rest")


def test_planted_secrets_of_guests_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = HandoverShelf.forget

    def forget(shelf: HandoverShelf) -> None:
        if shelf._vault.member <= 4:
            real(shelf)

    monkeypatch.setattr(HandoverShelf, "forget", forget)
    caught("Hospital\\([56]\\) still has|never comes to rest")


def test_planted_receipts_that_nobody_gets_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "write_receipt", lambda member, handover: None)
    caught("whether it has a receipt is False")


def test_planted_consents_that_nobody_typed_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = HandoverTask._choose

    def choose(task: HandoverTask) -> None:
        real(task)
        if task._member is not None:
            task._member.consents = True

    monkeypatch.setattr(HandoverTask, "_choose", choose)
    wishes = tuple(w for w in SCRIPT.wishes if w.member != 1)
    caught("agrees to what nobody typed", replace(CALM, refresh=replace(SCRIPT, wishes=wishes)))


def test_planted_pauses_before_all_have_agreed_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    all_are_there = property(lambda attempt: len(attempt.arrived) == len(attempt.rosters.new))
    monkeypatch.setattr(Attempt, "is_agreed", all_are_there)
    wishes = tuple(w._replace(at=30.0) if w.member < 3 else w for w in SCRIPT.wishes)
    caught("is frozen before it is agreed", replace(CALM, refresh=replace(SCRIPT, wishes=wishes)))


def test_planted_misdeeds_of_the_honest_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = MuteTask.due

    def due(task: MuteTask) -> Draft | None:
        draft = real(task)
        if draft is None or not isinstance(draft.body, HandedDealing):
            return draft
        return Draft(draft.session, msgspec.structs.replace(draft.body, nonce=bytes(32)))

    monkeypatch.setattr(MuteTask, "due", due)
    caught("blames")


def test_planted_sums_that_are_not_taken_over_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hospitals 1 to 4 before, and all but hospital 1 after: that shows what it gave."""
    before = common(4, kind="statistic", name="age")
    late = tuple(w._replace(at=40 + w.at) for w in SCRIPT.wishes)
    staying = replace(HEIR, who=(1, 2, 3, 4), quorum=2, scripts=(_of_three(),))
    script = replace(SCRIPT, wishes=late[:4], heirs=(staying,))
    plan = replace(CALM, scripts=(before,), refresh=script)
    assert hand_over(plan) == "done"
    note = sys.modules["participant.key.inherited_from"]  # a function has its name
    monkeypatch.setattr(note, "sums_up_to", lambda board, position: InheritedSums())
    caught("the sums of both boards show what", plan)


def _of_three() -> StudyScript:
    found = common(4, kind="statistic", name="weight")
    words = (
        Word(0.0, 1, "propose"), Word(0.0, 1, "open"),
        *(Word(0.0, m, "approve") for m in (2, 3, 4)),
    )  # fmt: skip
    return replace(found, members=(2, 3, 4), words=words)


# ── what the oracles find in runs that are put together ──


@pytest.fixture(scope="module")
def federation() -> Iterator[OldFederation]:
    with played() as found:
        yield found


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[OldFederation]:
    """The same old federation, whose key has gone to others."""
    heir = Heir((1, 3, 4), 2)
    with played(heir=heir, wishes=SCRIPT.wishes[:4]) as found:
        yield found


def with_boards(
    monkeypatch: pytest.MonkeyPatch, boards: Callable[[RefreshingFederation], list[Board]]
) -> None:
    monkeypatch.setattr(oracle, "boards_with", boards)


def test_planted_successors_on_two_boards_are_caught(
    federation: OldFederation, elsewhere: OldFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle.an_epoch_has_one_successor(federation)
    with_boards(monkeypatch, lambda of: [federation.board, elsewhere.board])
    with pytest.raises(Violation, match="epoch 1 has two successors"):
        oracle.an_epoch_has_one_successor(federation)


def test_planted_keys_that_were_released_to_others_are_caught(
    federation: OldFederation, elsewhere: OldFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = federation.heirs_at_work[0]
    oracle.a_key_counts_where_it_was_released_to(federation)
    with_boards(monkeypatch, lambda of: [elsewhere.board if of is federation else new.board])
    with pytest.raises(Violation, match="a key that nobody has released to it"):
        oracle.a_key_counts_where_it_was_released_to(federation)


def test_planted_shares_that_mix_are_caught(
    federation: OldFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = federation.heirs_at_work[0]
    held = {i: key for i, hospital in new.hospitals.items() if (key := hospital.held_key())}
    oracle.old_and_new_shares_do_not_mix(federation)
    same = held[1].epoch, {i: key.secret for i, key in held.items()}
    monkeypatch.setattr(oracle, "first_shares", lambda toy: same)
    with pytest.raises(Violation, match="shares of two epochs"):
        oracle.old_and_new_shares_do_not_mix(federation)
