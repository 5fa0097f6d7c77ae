"""Hospitals that lost a model put back a file of another hospital, which is of another model.

Source: our own. A hospital compares the model from which it contributes with those from which it
contributed before. With a wrong file in the place of one of these it would not see that both are
nearly the same. What one hospital does not say opens no difference, since the others take it for a
colluder. What two do not say does, of five.
"""

from collections.abc import Callable

import pytest
import safetensors.numpy

from participant.model.file import model_name, read_stored
from participant.model.master import Model
from participant.study.contributed import Kept
from participant.training import starts
from protocol.messages.rounds import Near
from tests.attacks.studies.test_near import Dummy, after_four, train
from tests.attacks.studies.test_near_to_before import FOUR, LEAVE, THREE, Far, is_open, named
from tests.stage.handover.tables import table_after
from tests.stage.rounds.round_table import KeyedTable, RoundTable, Steps
from tests.stage.studies import STUDY, training_study

NAME = model_name(STUDY, 0)
DECEIVED = (1, 2)


def put(data: bytes, table: RoundTable) -> RoundTable:
    """In the place of the model from which they have contributed."""
    for i in DECEIVED:
        assert table.disks[i].read(NAME) not in (None, data)
        table.disks[i].write(NAME, data)
    return table


def other_model() -> bytes:
    far = RoundTable()
    train(far, Far, FOUR)
    return far.disks[3].read(NAME) or b""


def no_entries() -> bytes:
    """A safetensors file, with nothing in it."""
    return safetensors.numpy.save({})


def trained() -> RoundTable:
    """Over {1,2,3,4}, in the federation before."""
    old = KeyedTable()
    train(old, Steps, FOUR)
    return old


def again(table: RoundTable) -> RoundTable:
    """From nearly the same model, without hospital 4."""
    second = RoundTable(study=training_study(table.terms, "tumours"), at=table)
    train(second, Dummy, THREE)
    return second


def said(table: RoundTable) -> set[Near]:
    return {named(table)[i] for i in DECEIVED}


@pytest.mark.parametrize("wrong", [other_model, no_entries])
def test_a_wrong_file_in_the_place_of_a_model_hides_no_difference(
    wrong: Callable[[], bytes],
) -> None:
    table = again(put(wrong(), after_four()))
    assert said(table) == {Near(("study/cardio/1",))}
    assert not is_open(table)


@pytest.mark.parametrize("wrong", [other_model, no_entries])
def test_nor_does_one_in_the_folder_of_the_federation_before(wrong: Callable[[], bytes]) -> None:
    table = again(table_after(put(wrong(), trained()), LEAVE))
    assert said(table) == {Near((), (0,))}
    assert not is_open(table)


def unchecked(kept: Kept, digest: bytes) -> Model:
    """What lies there, whatever it is."""
    number = kept.number - 1
    return read_stored(kept.read(model_name(kept.study, number)) or b"", kept.study, number)


def test_where_the_file_is_not_checked_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starts, "_kept_model", unchecked)
    for first in (
        put(other_model(), after_four()),
        table_after(put(other_model(), trained()), LEAVE),
    ):
        table = again(first)
        assert said(table) == {Near()}
        assert is_open(table)
