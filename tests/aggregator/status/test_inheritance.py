"""What people read of a key that is taken over: who has it, and who says otherwise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from aggregator.status.text import render
from participant.cli.views.standing import show_standing
from protocol.messages.handover import KeyInherited
from tests.stage.desk import Desk
from tests.stage.handover.inherited import SESSION, InheritedKey, new_federation
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.toy import toy_epoch


@pytest.fixture(scope="module")
def word_and_federation() -> Any:
    toy = toy_epoch(3, 2)
    handed = PostedHandover(copied(toy), toy.secrets, ["G1", 3, 1, "G2"], 3).run()
    return InheritedKey(handed).word, new_federation(handed)


@pytest.fixture
def new(tmp_path: Path, word_and_federation: Any) -> Desk:
    return Desk(tmp_path / "agg", word_and_federation[1])


@pytest.fixture
def word(word_and_federation: Any) -> KeyInherited:
    return word_and_federation[0]


Lines = Callable[[Desk], tuple[str, str]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What the operator reads of it, and what a member reads."""

    def read(desk: Desk) -> tuple[str, str]:
        report: dict[str, Any] = desk.service.status({})
        show_standing(None, report, "H1")
        told = " ".join(capsys.readouterr().out.split())
        return next(r for r in render(report, None) if "federation before" in r), told

    return read


def test_it_is_said_who_has_the_key_and_how_many_have_to(
    new: Desk, word: KeyInherited, lines: Lines
) -> None:
    new.say(2, SESSION, word)
    operator, member = lines(new)
    assert operator == (
        "key of the federation before: 3 members have to say that they have it, all the same; "
        "said by H3; not yet said by G1, H1, G2"
    )
    assert "all the same; said by H3 not yet said by G1, H1, G2" in member
    assert "ceremony" not in operator + member


def test_it_is_said_that_the_key_counts_and_who_says_otherwise(
    new: Desk, word: KeyInherited, lines: Lines
) -> None:
    new.say(1, SESSION, replace(word, position=1))
    for number in (2, 3, 4):
        new.say(number, SESSION, word)
    operator, member = lines(new)
    assert operator == (
        "key of the federation before: taken over in epoch 2; ANOTHER KEY OR ENTRY was said by G1"
    )
    assert "taken over in epoch 2 ANOTHER KEY OR ENTRY was said by G1" in member


def test_a_federation_that_takes_no_key_over_has_a_ceremony_instead(tmp_path: Path) -> None:
    report: dict[str, Any] = Desk(tmp_path / "agg").service.status({})
    assert report["inheritance"] is None
    assert "ceremony: not begun" in render(report, None)
