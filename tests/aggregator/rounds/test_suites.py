"""Under which suite and with which bounds rounds open."""

from pathlib import Path

import pytest

from protocol.board.suite import suite_of
from protocol.messages.rounds import Opening
from tests.stage.desk import MODEL
from tests.stage.rounds.served_hybrid import CLIP, hybrid_desk, work
from tests.stage.studies import SESSION


def test_a_round_opens_with_suite_and_clip(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path)
    study = desk.found_training()
    desk.state("study/cardio/0", desk.federation.members, clip=CLIP)
    work(desk)
    expected = Opening(study.digest, desk.epoch.digest, MODEL, 5, "hybrid", CLIP)
    assert desk.opening(SESSION) == expected


def test_auto_takes_the_hybrid_suite_for_a_long_model(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path)
    desk.open_training(length=100_000, suite="auto")
    assert desk.opening(SESSION).suite == "hybrid"


def test_the_widest_bounds_that_members_state_with_the_model_hold(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path)
    study = desk.found_training()
    desk.state("study/cardio/0", [1], clip=CLIP, max_examples=64)
    desk.state("study/cardio/0", [2], clip=3.0, max_examples=16)
    desk.state("study/cardio/0", [3], clip=1.0, max_examples=16)
    desk.state("study/cardio/0", [4], model=b"o" * 32, clip=8.0, max_examples=1_000)
    work(desk)
    expected = Opening(study.digest, desk.epoch.digest, MODEL, 5, "hybrid", 3.0, 64)
    assert desk.opening(SESSION) == expected


def test_no_bounds_are_wider_than_the_plans(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path)
    study = desk.found_training()
    desk.state("study/cardio/0", desk.federation.members, clip=1e300, max_examples=1 << 40)
    work(desk)
    opening, plan = desk.opening(SESSION), study.training
    assert (opening.clip, opening.max_examples) == (plan.clip, plan.max_examples)


@pytest.mark.parametrize(("beyond", "opens"), [(0, True), (1, False)])
def test_as_many_weights_as_there_may_be_chunks(
    tmp_path: Path, beyond: int, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    desk = hybrid_desk(tmp_path)
    study = desk.found_training()
    length = (1 << 30) - suite_of("hybrid", study).slot_count(0) + beyond
    desk.state("study/cardio/0", desk.federation.members, length=length)
    assert desk.service.tick() == opens
    assert bool(desk.service.status({})["too_long"]) != opens
