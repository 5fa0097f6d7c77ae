"""A torch module's parameters as arrays, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from participant.torch_app import load_parameters, parameters_of


def network() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1).double()
    )


def test_parameters_come_back_exactly_in_their_own_types() -> None:
    source, target = network(), network()
    source[1].running_mean.fill_(0.25)
    load_parameters(target, parameters_of(source))
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name]), name
        assert tensor.dtype == target.state_dict()[name].dtype


def test_buffers_that_are_no_floats_stay_at_home() -> None:
    arrays = parameters_of(network())
    assert all(np.issubdtype(a.dtype, np.floating) for a in arrays)
    assert len(arrays) == len(network().state_dict()) - 1  # without num_batches_tracked


def test_arrays_are_copies() -> None:
    module = network()
    parameters_of(module)[0][:] = 99
    assert not (module[0].weight == 99).any()


def test_a_shape_that_does_not_fit_is_named() -> None:
    arrays = parameters_of(network())
    arrays[1] = np.zeros(5)
    with pytest.raises(ValueError, match=r"0\.bias has shape \(4,\), the array \(5,\)"):
        load_parameters(network(), arrays)


def test_a_missing_array_is_counted() -> None:
    with pytest.raises(ValueError, match="7 arrays for 8 entries"):
        load_parameters(network(), parameters_of(network())[:-1])
