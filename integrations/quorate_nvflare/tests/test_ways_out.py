# SPDX-License-Identifier: Apache-2.0
"""Whatever an app puts into the result of a task: no value of a model leaves."""

from typing import Any

import numpy as np
import pytest
from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.app_common.app_constant import AppConstants
from quorate_nvflare.errors import ResultRefused
from quorate_nvflare.receipt import RECEIPT
from scripted import ScriptedAgent

from quorate_nvflare import QuorateModelFilter, QuorateUpdateFilter
from tests.conftest import Task
from tests.stage.shareables import arrays_in, dxo, model, sent, trained

SECRET = np.arange(7, dtype=np.float64)


def sent_out(made: Shareable, task: Task, name: str = "train", **properties: Any) -> Shareable:
    """What leaves of that result of a task whose data was a model."""
    context = task(name, **properties)
    QuorateModelFilter().process(sent(model(0)), context)
    return QuorateUpdateFilter().process(made, context)


@pytest.mark.parametrize(
    "kind",
    [
        one
        for one in DataKind
        if one not in (DataKind.WEIGHTS, DataKind.WEIGHT_DIFF, DataKind.METRICS)
    ],
)
def test_data_of_another_kind_is_refused(agent: ScriptedAgent, task: Task, kind: DataKind) -> None:
    with pytest.raises(ResultRefused, match=f"in task 'train' .* data of kind .*{kind.name}"):
        sent_out(dxo(kind, {"secret": SECRET}), task)
    assert "update" not in agent.said


def test_a_model_in_a_collection_is_refused(agent: ScriptedAgent, task: Task) -> None:
    inner = DXO(DataKind.WEIGHTS, model(1))
    with pytest.raises(ResultRefused, match="COLLECTION"):
        sent_out(dxo(DataKind.COLLECTION, {"inner": inner}), task)


def test_what_is_no_dxo_is_refused(agent: ScriptedAgent, task: Task) -> None:
    with pytest.raises(ResultRefused, match="what is no DXO"):
        sent_out(Shareable({"secret": SECRET}), task)


def test_a_dxo_that_is_none_is_refused(agent: ScriptedAgent, task: Task) -> None:
    made = trained(model(1))
    made["DXO"]["data"] = [SECRET]
    with pytest.raises(ResultRefused, match="what is no DXO"):
        sent_out(made, task)


@pytest.mark.parametrize("name", ["validate", "submit_model", "learn", "evaluate"])
def test_another_task_sends_no_model(agent: ScriptedAgent, task: Task, name: str) -> None:
    agent.model = model(0)
    with pytest.raises(ResultRefused, match=f"in task '{name}' .* without having been given one"):
        sent_out(trained(model(1)), task, name)


def test_a_task_without_a_model_sends_none(agent: ScriptedAgent, task: Task) -> None:
    context = task()
    QuorateModelFilter().process(dxo(DataKind.ANALYTIC, {"ask": 1}), context)
    with pytest.raises(ResultRefused, match="without having been given one"):
        QuorateUpdateFilter().process(trained(model(1)), context)


def test_a_site_without_the_model_filter_sends_no_model(agent: ScriptedAgent, task: Task) -> None:
    with pytest.raises(ResultRefused, match="without having been given one"):
        QuorateUpdateFilter().process(trained(model(1)), task())


def test_what_lies_beside_a_model_stays(agent: ScriptedAgent, task: Task) -> None:
    made = trained(model(1), accuracy=0.5)
    made["beside"] = SECRET
    made.set_header("beside", SECRET)
    made.set_header(AppConstants.CURRENT_ROUND, SECRET)
    made.add_cookie("beside", SECRET)
    made["DXO"]["meta"]["beside"] = SECRET
    made["DXO"]["meta"]["filter_history"] = [SECRET]
    out = sent_out(made, task)
    assert arrays_in(out) == []
    assert set(out) == {"__headers__", "DXO"}
    assert set(out["DXO"]["meta"]) == {"NUM_STEPS_CURRENT_ROUND"}
    assert set(out["DXO"]["data"]) == {RECEIPT}


def test_no_values_beside_an_empty_model_leave(agent: ScriptedAgent, task: Task) -> None:
    made = trained({}, accuracy=0.5)  # what DXOFilter takes for nothing to filter
    made["DXO"]["meta"]["beside"] = SECRET
    assert arrays_in(sent_out(made, task)) == []


def test_no_values_leave_with_an_errors_code(agent: ScriptedAgent, task: Task) -> None:
    made = trained(model(1))  # what DXOFilter lets pass
    made.set_return_code(ReturnCode.EXECUTION_EXCEPTION)
    assert sent_out(made, task) == make_reply(ReturnCode.EXECUTION_EXCEPTION)


def test_no_text_leaves_as_an_errors_code(agent: ScriptedAgent, task: Task) -> None:
    made = make_reply("0.12 0.7 0.33")
    assert sent_out(made, task) == make_reply(ReturnCode.EXECUTION_EXCEPTION)


def test_no_examples_leave(agent: ScriptedAgent, task: Task) -> None:
    out = sent_out(trained(model(1), examples=1234), task)
    assert "1234" not in str(out)


@pytest.mark.parametrize("value", [SECRET, [0.5], {"a": 1.0}, "0.5 0.25", None])
def test_a_listed_metric_is_one_number(agent: ScriptedAgent, task: Task, value: Any) -> None:
    made = trained(model(1), accuracy=0.5)
    made["DXO"]["meta"]["initial_metrics"]["accuracy"] = value
    with pytest.raises(ResultRefused, match="metric accuracy is no number"):
        sent_out(made, task, quorate_metrics="accuracy")


def test_metrics_are_by_name(agent: ScriptedAgent, task: Task) -> None:
    made = trained(model(1))
    made["DXO"]["meta"]["initial_metrics"] = SECRET
    with pytest.raises(ResultRefused, match="metrics are no dict"):
        sent_out(made, task)


@pytest.mark.parametrize("steps", [0, -1, 2.5, float("nan"), "5", SECRET])
def test_examples_are_a_whole_number(agent: ScriptedAgent, task: Task, steps: Any) -> None:
    made = trained(model(1))
    made["DXO"]["meta"]["NUM_STEPS_CURRENT_ROUND"] = steps
    with pytest.raises(ResultRefused, match="NUM_STEPS_CURRENT_ROUND is no whole number"):
        sent_out(made, task)
    assert "update" not in agent.said


def test_a_receipt_of_the_apps_own_is_given_to_the_agent_as_a_model(
    agent: ScriptedAgent, task: Task
) -> None:
    agent.refuses["update"] = {"rule": "model", "member": 0, "reason": "no", "remedy": ""}
    forged = trained({RECEIPT: {"study": "cardio", "round": 1}})
    with pytest.raises(Exception, match="cannot be given to the hospital's agent"):
        sent_out(forged, task)


def test_a_difference_with_other_entries_is_refused(agent: ScriptedAgent, task: Task) -> None:
    made = dxo(DataKind.WEIGHT_DIFF, {"weight": model(1)["weight"]})
    with pytest.raises(ResultRefused, match=r"not the entries of the model \(bias\)"):
        sent_out(made, task)
    made = dxo(DataKind.WEIGHT_DIFF, {**model(1), "bias": np.zeros(1, np.float32)})
    with pytest.raises(ResultRefused, match=r"of bias has shape \(1,\)"):
        sent_out(made, task)


def test_a_reply_without_data_passes_without_its_headers(agent: ScriptedAgent, task: Task) -> None:
    agent.model = model(0)
    made = make_reply(ReturnCode.OK, {"beside": SECRET})
    assert sent_out(made, task, "end") == make_reply(ReturnCode.OK)
