"""Under which suite and with which bounds rounds open."""

from pathlib import Path

import msgspec
import pytest

from protocol.board.messages import Opening
from protocol.board.suite import suite_of
from tests.stage.desk import MODEL
from tests.stage.rounds.served_hybrid import CLIP, SESSION, hybrid_desk, work


def test_a_round_opens_with_suite_and_clip(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path)
    desk.certify()
    desk.state("round/0", desk.federation.members, clip=CLIP)
    work(desk)
    expected = Opening("training", desk.epoch.digest, MODEL, 5, "hybrid", CLIP)
    assert desk.opening(SESSION) == expected


def test_auto_takes_the_hybrid_suite_for_a_long_model(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path)
    desk.federation = type(desk.federation)(
        msgspec.structs.replace(desk.federation.terms, suite="auto"), desk.federation.keys
    )
    desk.service.close()
    desk.restart()
    desk.open_training(length=100_000)
    assert desk.opening(SESSION).suite == "hybrid"


def test_the_widest_bounds_that_members_state_with_the_model_hold(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path)
    desk.certify()
    desk.state("round/0", [1], clip=CLIP, max_examples=64)
    desk.state("round/0", [2], clip=3.0, max_examples=16)
    desk.state("round/0", [3], clip=1.0, max_examples=16)
    desk.state("round/0", [4], model=b"o" * 32, clip=8.0, max_examples=1_000)
    work(desk)
    expected = Opening("training", desk.epoch.digest, MODEL, 5, "hybrid", 3.0, 64)
    assert desk.opening(SESSION) == expected


def test_no_bounds_are_wider_than_the_terms(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path)
    desk.certify()
    desk.state("round/0", desk.federation.members, clip=1e300, max_examples=1 << 40)
    work(desk)
    opening, terms = desk.opening(SESSION), desk.federation.terms
    assert (opening.clip, opening.max_examples) == (terms.clip, terms.max_examples)


@pytest.mark.parametrize(("beyond", "opens"), [(0, True), (1, False)])
def test_as_many_weights_as_there_may_be_chunks(
    tmp_path: Path, beyond: int, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    desk = hybrid_desk(tmp_path)
    desk.certify()
    length = (1 << 30) - suite_of("hybrid", desk.federation.terms).slot_count(0) + beyond
    desk.state("round/0", desk.federation.members, length=length)
    assert desk.service.tick() == opens
    assert bool(desk.service.status({})["too_long"]) != opens
