"""What a program imports to stay is not searched for garbage, and all that comes after it is."""

import gc

import pytest

from protocol.programs.imports import to_stay


def test_what_is_made_meanwhile_is_kept_out_of_the_search() -> None:
    frozen = gc.get_freeze_count()
    with to_stay():
        assert not gc.isenabled()
        made: list[object] = []
        made.append(made)
    assert gc.isenabled()
    assert gc.get_freeze_count() > frozen
    assert not any(found is made for found in gc.get_objects())


def test_it_goes_on_searching_after_an_import_that_fails() -> None:
    with pytest.raises(ImportError), to_stay():
        raise ImportError
    assert gc.isenabled()
