"""The key is refreshed beside studies, under faults: who has which share, and what is left."""

from dataclasses import replace
from typing import Any

import pytest

from participant.errors import LostRound
from participant.handover.own import OwnPlace
from participant.home.handover_shelf import HandoverShelf
from participant.home.key_ring import KeyRing
from protocol.handover import HandoverWord
from tests.simulator.handover.federation import RefreshingFederation
from tests.simulator.handover.oracle import refresh
from tests.simulator.handover.script import FOR_GOOD, Away, Mute, SetBack, everybody
from tests.simulator.plan import Plan
from tests.simulator.studies.person import Job
from tests.simulator.studies.script import Word, common
from tests.simulator.studies.studied import Violation

SEEDS, CHUNK = 60, 5
SCRIPT = everybody(4)
CALM = Plan(
    seed=0, n_members=4, quorum=2, founded=True, step_seconds=40, patience=500.0,
    scripts=(common(4, 3),), refresh=SCRIPT,
)  # fmt: skip


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(CHUNK, SEEDS, CHUNK))]
)
def test_every_run_ends_with_shares_of_one_epoch_and_nothing_of_another(first: int) -> None:
    for seed in range(first, first + CHUNK):
        try:
            assert refresh(Plan.of_refreshes(seed)) in ("done", "fork"), f"seed {seed}"
        except Violation as found:
            raise AssertionError(f"seed {seed}") from found


def played(plan: Plan = CALM, **changes: Any) -> RefreshingFederation:
    """A run that is as it must be, with changes of its script."""
    seen: list[RefreshingFederation] = []
    assert refresh(replace(plan, refresh=replace(SCRIPT, **changes)), seen.append) == "done"
    return seen[0]


def ends(federation: RefreshingFederation) -> list[str]:
    """How the attempts of a run have ended."""
    found = [handover.view.attempt for handover in federation.board.key.handovers.all]
    return ["settled" if a.is_settled else "released" if a.is_released else "thawed" for a in found]


# ── what may go wrong, and how it ends ──


def test_a_study_goes_on_to_its_last_round_under_the_new_key() -> None:
    federation = played()
    assert ends(federation) == ["settled"]
    epochs = {
        view.opening.post.body.epoch
        for view in federation.aggregator.rounds.views.values()
        if view.opening
    }
    assert len(epochs) == 2, "there is a round before the refresh, and one after it"


def test_nobody_waits_for_a_study_whose_last_round_is_lost() -> None:
    # Its sum would show what hospital 4 added to the other study, so the round is held back.
    words = (
        Word(5.0, 1, "propose"),
        *(Word(5.0, member, "approve") for member in (1, 2, 3)),
        Word(5.0, 4, "open"),
    )
    later = replace(common(4, 1, "later"), members=(1, 2, 3), words=words)
    late = everybody(4, at=30.0)
    federation = played(replace(CALM, scripts=(common(4), later)), wishes=late.wishes)
    assert ends(federation) == ["settled"]
    assert not federation.board.studies["later"].is_ended()
    helped = federation.hospitals[4].person.ended[Job("later", "help", 1, 1)]
    assert isinstance(helped, LostRound)
    assert all(federation.hospitals[m].person.has_finished(later) for m in (1, 2, 3))


@pytest.mark.parametrize("word", [HandoverWord.DEAL, HandoverWord.SHOW])
def test_a_member_that_is_silent_once_ends_one_attempt_and_not_the_next(word: HandoverWord) -> None:
    found = ends(played(mutes=(Mute(4, frozenset({word}), 1),)))
    assert found[-1] == "settled"
    assert found[:-1] in ([], ["thawed"])


def test_a_member_that_never_acknowledges_keeps_nobody_from_the_new_key() -> None:
    federation = played(mutes=(Mute(4, frozenset({HandoverWord.ACKNOWLEDGE}), FOR_GOOD),))
    assert ends(federation) == ["released"]


def test_a_hospital_that_was_away_leaves_nothing_of_an_attempt_that_was_given_up() -> None:
    assert ends(played(away=(Away(4, 1.6, 200.0),)))[-1] == "settled"


def test_a_hospital_that_lost_its_new_share_has_no_old_one() -> None:
    federation = played(set_back=(SetBack(4, 0.5, 60.0),))
    assert ends(federation) == ["settled"]
    assert federation.hospitals[4].member().vault.epochs() == []


# ── what the oracles find, each check left out ──


def caught(match: str) -> None:
    """It is found, unless an agent is busy for ever with what it does not do."""
    with pytest.raises(AssertionError, match=f"{match}|never comes to rest"):
        refresh(CALM)


def test_planted_old_shares_that_stay_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnPlace, "settled", lambda place, handover: None)
    monkeypatch.setattr("protocol.handover.machine.may_erase_old", lambda attempt: False)
    caught("still has shares of epochs")


def test_planted_secrets_of_an_attempt_that_stay_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(HandoverShelf, "forget", lambda shelf: None)
    caught("still has")


def test_planted_tasks_that_keep_their_old_key_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = KeyRing._renew

    def renew(ring: KeyRing) -> None:
        object.__setattr__(ring, "before", ring._keys)
        real(ring)

    monkeypatch.setattr(KeyRing, "_renew", renew)
    caught("in memory")
