"""What stays at a hospital is there after a restart, and the app's own."""

from typing import Any

import numpy as np
import pytest
import torch

from participant.errors import DamagedFile
from participant.model.layout import Layout
from participant.model.local_entries import LocalEntries
from tests.simulator.disk import Disk

FILE, PLAIN_FILE = "studies/cardio/local.safetensors", "studies/cardio/local.msgpack"


def local_of(parameters: Any, disk: Disk, patterns: tuple[str, ...] = ()) -> LocalEntries:
    return LocalEntries(Layout.of(parameters, patterns), parameters, disk, "cardio")


def test_the_first_values_are_the_apps_own() -> None:
    disk = Disk()
    local = local_of({"w": np.zeros(2), "steps": np.array(5)}, disk)
    assert local.entries == {"steps": 5}
    assert not disk.files


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_what_the_app_returned_last_is_kept_across_restarts(dtype: torch.dtype) -> None:
    disk, network = Disk(), torch.nn.BatchNorm1d(3).to(dtype)
    state, patterns = network.state_dict(), ("running_*",)
    local = local_of(state, disk, patterns)
    network(torch.randn(5, 3, dtype=dtype))
    network.running_var.data = torch.arange(6).to(dtype).reshape(3, 2).T[0]
    local.keep(network.state_dict())
    for kept in (local, local_of(torch.nn.BatchNorm1d(3).to(dtype).state_dict(), disk, patterns)):
        assert set(kept.entries) == {"running_mean", "running_var", "num_batches_tracked"}
        for name, entry in kept.entries.items():
            assert torch.equal(entry, network.state_dict()[name])
            assert entry.dtype == network.state_dict()[name].dtype


def test_arrays_are_kept_in_their_shapes_and_dtypes() -> None:
    disk = Disk()
    parameters = {
        "w": np.zeros(2), "count": np.array(1), "turned": np.arange(6.0).reshape(2, 3).T,
        "mask": np.array([True, False]), "half": np.zeros(2, np.float16),
    }  # fmt: skip
    local_of(parameters, disk, ("turned", "half")).keep(parameters)
    again = local_of(
        {n: np.zeros_like(a) for n, a in parameters.items()}, disk, ("turned", "half")
    ).entries
    assert set(again) == {"count", "turned", "mask", "half"}
    for name, entry in again.items():
        assert (entry.dtype, entry.shape) == (parameters[name].dtype, parameters[name].shape)
        assert np.array_equal(entry, parameters[name])


def test_kept_values_are_copies() -> None:
    parameters = {"w": np.zeros(2), "count": np.zeros(2, int)}
    local = local_of(parameters, Disk())
    local.keep(parameters)
    parameters["count"][:] = 9
    assert not local.entries["count"].any()


def test_an_entry_that_the_app_does_not_return_keeps_its_value() -> None:
    local = local_of({"w": np.zeros(2), "count": np.array(3)}, Disk())
    local.keep({"w": np.zeros(2)})
    assert local.entries == {"count": 3}


def test_nothing_is_stored_where_nothing_is_local() -> None:
    disk, parameters = Disk(), [np.zeros(2)]
    local_of(parameters, disk).keep(parameters)
    assert not disk.files


def test_plain_values_are_kept_across_restarts() -> None:
    disk, begin = Disk(), {"w": torch.zeros(2), "epoch": 0, "notes": None, "_extra_state": b""}
    state = {"lr": 0.1, "steps": [1, 2, None], "name": "é"}
    last = {"w": torch.zeros(2), "epoch": 7, "notes": state, "_extra_state": b"amax"}
    local_of(begin, disk).keep(last)
    assert local_of(begin, disk).entries == {k: v for k, v in last.items() if k != "w"}


def test_what_no_file_holds_is_there_as_long_as_the_process_is() -> None:
    disk = Disk()
    first = {"w": np.zeros(2), "names": np.array(["a"], object), "own": Layout, "n": np.array(1)}
    last = first | {"names": np.array(["b"], object), "own": Disk, "n": np.array(2)}
    local = local_of(first, disk, ("names",))
    local.keep(last)
    assert local.entries == {"names": ["b"], "own": Disk, "n": 2}
    assert local_of(first, disk, ("names",)).entries == {"names": ["a"], "own": Layout, "n": 2}


@pytest.mark.parametrize("name", [FILE, PLAIN_FILE])
def test_what_cannot_be_read_is_refused(name: str) -> None:
    disk, parameters = Disk(), {"w": np.zeros(2), "count": np.array(3)}
    local_of(parameters, disk).keep(parameters)
    disk.write(name, b"damaged")
    with pytest.raises(DamagedFile, match=name):
        local_of(parameters, disk)


def test_every_study_has_its_own() -> None:
    disk, parameters = Disk(), {"w": np.zeros(2), "count": np.array(3)}
    local_of(parameters, disk).keep(parameters | {"count": np.array(4)})
    layout = Layout.of(parameters)
    assert LocalEntries(layout, parameters, disk, "cardio").entries == {"count": 4}
    assert LocalEntries(layout, parameters, disk, "other").entries == {"count": 3}
