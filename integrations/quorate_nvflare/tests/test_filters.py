# SPDX-License-Identifier: Apache-2.0
"""An app trains on its hospital's model, and a receipt leaves in place of what it has trained."""

import numpy as np
import pytest
import torch
from nvflare.apis.dxo import DataKind, from_shareable
from nvflare.apis.fl_constant import ReturnCode
from nvflare.app_common.abstract.fl_model import ParamsType
from nvflare.app_common.utils.fl_model_utils import FLModelUtils
from quorate_nvflare.errors import AgentRefused, BadSettings, NoAgent, WrongServer
from quorate_nvflare.receipt import SENT_FIRST
from scripted import ScriptedAgent

from quorate_nvflare import QuorateModelFilter, QuorateUpdateFilter, Receipt
from tests.conftest import Task
from tests.stage.shareables import arrays_in, dxo, model, sent, trained


def test_the_app_gets_the_agents_model_in_place_of_the_servers(
    agent: ScriptedAgent, task: Task
) -> None:
    agent.model = model(4)
    given = QuorateModelFilter().process(sent(model(0)), task())
    params = FLModelUtils.from_shareable(given).params
    assert params is not None
    for name, values in model(4).items():
        np.testing.assert_array_equal(params[name], values)


def test_the_first_model_that_a_server_sends_begins_the_study(
    agent: ScriptedAgent, task: Task
) -> None:
    QuorateModelFilter().process(sent(model(2)), task())
    assert agent.model is not None
    np.testing.assert_array_equal(agent.model["weight"], model(2)["weight"])
    assert [one["run"] for one in agent.asked if one["op"] == "hello"] == ["nvflare/job-7"]


def test_a_receipt_leaves_in_place_of_the_update(agent: ScriptedAgent, task: Task) -> None:
    context = task()
    QuorateModelFilter().process(sent(model(0), number=0), context)
    reply = QuorateUpdateFilter().process(trained(model(3), examples=12), context)
    assert arrays_in(reply) == []
    said = FLModelUtils.from_shareable(reply)
    assert Receipt.read(said.params) == Receipt("cardio", 1, f"{1:064x}", 2, True, "applied")
    assert said.meta == {"NUM_STEPS_CURRENT_ROUND": 1}
    assert said.current_round == 0
    np.testing.assert_array_equal(agent.trained[0]["weight"], model(3)["weight"])
    assert agent.asked[-1]["examples"] == 12


def test_a_difference_is_added_to_the_model_that_the_app_was_given(
    agent: ScriptedAgent, task: Task
) -> None:
    context = task()
    agent.model = model(4)
    QuorateModelFilter().process(sent(model(0)), context)
    QuorateUpdateFilter().process(trained(model(1), kind=ParamsType.DIFF), context)
    np.testing.assert_array_equal(agent.trained[0]["weight"], np.full((2, 3), 5, np.float32))


def test_tensors_stay_tensors(agent: ScriptedAgent, task: Task) -> None:
    context = task()
    tensors = {name: torch.from_numpy(values) for name, values in model(1).items()}
    given = QuorateModelFilter().process(sent(tensors), context)
    entries = next(one["entries"] for one in agent.asked if one["op"] == "begin")
    assert {one["tensor"] for one in entries} == {True}
    assert from_shareable(given).data_kind == DataKind.WEIGHTS


def test_filters_of_the_site_and_of_the_job_contribute_once(
    agent: ScriptedAgent, task: Task
) -> None:
    context = task()
    sites, jobs = QuorateModelFilter(), QuorateModelFilter()
    jobs.process(sites.process(sent(model(0)), context), context)
    out, jobs_out = QuorateUpdateFilter(), QuorateUpdateFilter()
    jobs_out.process(out.process(trained(model(1)), context), context)
    assert agent.said.count("begin") == agent.said.count("update") == 1


@pytest.mark.parametrize("outcome", ["late", "void"])
def test_a_round_without_the_hospital_is_a_receipt_too(
    agent: ScriptedAgent, task: Task, outcome: str
) -> None:
    agent.outcome = outcome
    context = task()
    QuorateModelFilter().process(sent(model(0)), context)
    reply = QuorateUpdateFilter().process(trained(model(1)), context)
    receipt = Receipt.read(FLModelUtils.from_shareable(reply).params)
    assert receipt is not None
    assert (receipt.outcome, receipt.in_sum) == (outcome, False)


def test_only_metrics_that_the_site_lists_leave(agent: ScriptedAgent, task: Task) -> None:
    context = task(quorate_metrics="accuracy, f1")
    QuorateModelFilter().process(sent(model(0)), context)
    reply = QuorateUpdateFilter().process(trained(model(1), accuracy=0.5, loss=0.25), context)
    assert FLModelUtils.from_shareable(reply).metrics == {"accuracy": 0.5}


def test_an_evaluation_is_of_the_hospitals_model_and_begins_no_round(
    agent: ScriptedAgent, task: Task
) -> None:
    agent.model, agent.round = model(7), 3
    context = task("validate", quorate_metrics="accuracy")
    given = QuorateModelFilter().process(sent(model(0)), context)
    params = FLModelUtils.from_shareable(given).params
    assert params is not None
    np.testing.assert_array_equal(params["weight"], model(7)["weight"])
    scored = dxo(DataKind.METRICS, {"accuracy": 0.5, "patients": 150}, secret=[1, 2])
    reply = from_shareable(QuorateUpdateFilter().process(scored, context))
    assert (reply.data, reply.meta) == ({"accuracy": 0.5}, {})
    assert "begin" not in agent.said


# ── a server that changes the model ──


def test_a_server_that_changes_the_model_is_refused(agent: ScriptedAgent, task: Task) -> None:
    agent.model = model(4)
    with pytest.raises(WrongServer, match=r"entry weight .* this server changes the model"):
        QuorateModelFilter().process(sent(model(5), number=1), task())


def test_a_server_that_has_the_hospitals_model_is_not(agent: ScriptedAgent, task: Task) -> None:
    agent.model = model(4)
    QuorateModelFilter().process(sent(model(4), number=1), task())


def test_nor_is_one_that_says_that_it_has_learned_nothing(agent: ScriptedAgent, task: Task) -> None:
    agent.model = model(4)
    QuorateModelFilter().process(sent(model(0), number=1, **{SENT_FIRST: True}), task())


def test_a_model_of_another_shape_is_named(agent: ScriptedAgent, task: Task) -> None:
    agent.model = model(4)
    other = {**model(4), "bias": np.zeros(4, np.float32)}
    with pytest.raises(WrongServer, match=r"entry bias has shape \(4,\), and \(3,\)"):
        QuorateModelFilter().process(sent(other, number=1), task())
    del other["bias"]
    with pytest.raises(WrongServer, match=r"other entries .* \(bias in one of them\)"):
        QuorateModelFilter().process(sent(other, number=1), task())


# ── settings, and an agent that is not there or refuses ──


def test_settings_come_from_the_environment_where_the_scope_has_none(
    agent: ScriptedAgent, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    (agent.path.parent / "site-1").symlink_to(agent.path.parent)
    monkeypatch.setenv("QUORATE_SOCKET", f"{agent.path.parent}/{{site}}/agent.sock")
    context = task()
    context.set_prop("__scope_props__", None, private=True, sticky=True)
    QuorateModelFilter().process(sent(model(0)), context)
    assert agent.said == ["hello", "begin"]


def test_a_site_that_names_no_agent_is_told_where_to(task: Task) -> None:
    context = task()
    context.set_prop("__scope_props__", None, private=True, sticky=True)
    with pytest.raises(BadSettings, match=r"quorate-socket in .*privacy.json, or QUORATE_SOCKET"):
        QuorateModelFilter().process(sent(model(0)), context)


def test_a_sites_name_is_no_path(task: Task) -> None:
    context = task(site="../site", quorate_socket="/run/{site}.sock")
    with pytest.raises(BadSettings, match="none of a file"):
        QuorateModelFilter().process(sent(model(0)), context)


def test_metrics_that_are_no_text_are_refused(agent: ScriptedAgent, task: Task) -> None:
    context = task(quorate_metrics=["accuracy"])
    with pytest.raises(BadSettings, match=r"quorate-metrics is no text"):
        QuorateUpdateFilter().process(trained(model(1)), context)


def test_the_app_that_a_plan_pins_is_said_as_the_site_has_set_it(
    agent: ScriptedAgent, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = task(quorate_app="ab" * 32)
    QuorateModelFilter().process(sent(model(0)), context)
    QuorateUpdateFilter().process(trained(model(1)), context)
    monkeypatch.setenv("QUORATE_APP", "cd" * 32)
    QuorateModelFilter().process(sent(model(0), 1, **{SENT_FIRST: True}), task())
    said = [one.get("app") for one in agent.asked if one["op"] == "hello"]
    assert said == ["ab" * 32, "ab" * 32, "cd" * 32]


def test_an_app_that_is_no_hash_is_refused(task: Task) -> None:
    with pytest.raises(BadSettings, match=r"quorate-app is no SHA-256"):
        QuorateModelFilter().process(sent(model(0)), task(quorate_app="AB" * 32))


def test_no_agent_is_an_error_with_the_path_and_what_to_do(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quorate_nvflare.exchange.PATIENCE", 0.0)
    context = task(quorate_socket="/nowhere/agent.sock")
    with pytest.raises(NoAgent, match=r"/nowhere/agent.sock .* start quorate-participant serve"):
        QuorateModelFilter().process(sent(model(0)), context)


def test_what_an_agent_refuses_says_why_and_what_to_do(agent: ScriptedAgent, task: Task) -> None:
    agent.refuses["begin"] = {
        "rule": "run", "member": 0, "reason": "cardio is trained for run nvflare/1",
        "remedy": "propose another study",
    }  # fmt: skip
    with pytest.raises(AgentRefused, match=r"for run nvflare/1\. propose another study") as caught:
        QuorateModelFilter().process(sent(model(0)), task())
    assert caught.value.rule == "run"


def test_a_job_with_more_rounds_than_the_study_is_told_so(agent: ScriptedAgent, task: Task) -> None:
    agent.ended = True
    with pytest.raises(AgentRefused, match="the job has more than the plan"):
        QuorateModelFilter().process(sent(model(0)), task())


def test_errors_are_in_the_sites_log_and_make_no_event(
    agent: ScriptedAgent, task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    agent.ended = True
    with pytest.raises(AgentRefused):
        QuorateModelFilter().process(sent(model(0)), task())
    assert "quorate: the study has had all its rounds" in caplog.text


def test_an_error_of_the_app_leaves_as_its_code_alone(task: Task) -> None:
    failed = trained(model(1))
    failed.set_return_code(ReturnCode.EXECUTION_RESULT_ERROR)
    reply = QuorateUpdateFilter().process(failed, task())
    assert reply == {"__headers__": {"__rc__": ReturnCode.EXECUTION_RESULT_ERROR}}
