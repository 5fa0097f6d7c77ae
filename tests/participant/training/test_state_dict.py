"""Rounds of training with a model of PyTorch."""

from typing import Any

import torch
from safetensors.torch import load

from participant.model.file import model_name
from tests.stage.rounds.round_table import RoundTable
from tests.stage.studies import STUDY


class Normed:
    """A torch app in half precision, with statistics and a counter of its own."""

    local_entries = ("*.running_mean",)

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    def network(self) -> Any:
        return torch.nn.Sequential(torch.nn.Linear(2, 2).bfloat16(), torch.nn.BatchNorm1d(2))

    def initial_parameters(self, config: Any) -> Any:
        return {name: tensor.zero_() for name, tensor in self.network().state_dict().items()}

    def fit(self, parameters: dict[str, Any], config: Any) -> Any:
        self.given.append(parameters)
        network = self.network()
        network.load_state_dict(parameters)
        return {name: tensor + 1 for name, tensor in network.state_dict().items()}, 10, {}

    def evaluate(self, parameters: dict[str, Any], config: Any) -> Any:
        self.given.append(parameters)
        return 0.5, 10, {}


def test_a_state_dict_is_averaged_and_what_is_local_stays_the_hospitals_own() -> None:
    table = RoundTable()
    apps = {i: Normed() for i in table.toy.federation.members}
    tasks = [table.train(i, app) for i, app in apps.items()]
    table.play("study/cardio/1")
    assert {task.finished for task in tasks} == {1}
    again = table.train(2, Normed())
    for state in (apps[1].given[-1], again.parameters):
        assert state["0.weight"].dtype == torch.bfloat16
        torch.testing.assert_close(state["0.weight"].float(), torch.ones(2, 2), atol=0.01, rtol=0)
        torch.testing.assert_close(state["1.running_var"], torch.ones(2), atol=1e-3, rtol=0)
        assert torch.equal(state["1.running_mean"], torch.ones(2))
        assert state["1.num_batches_tracked"] == 1
    names = load(table.disks[1].read(model_name(STUDY, 1))).keys()  # type: ignore[arg-type]
    assert not {"1.running_mean", "1.num_batches_tracked"} & names
    assert "1.running_var" in names
