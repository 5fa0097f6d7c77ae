# SPDX-License-Identifier: Apache-2.0
"""What an app may do is set by its hospital, and a setting that makes no sense is refused."""

import numpy as np
import pytest
from quorate_flower.records import Arrays
from scripted import ScriptedAgent

from tests.stage.apps import adding_app, context_of, message_of, refused

ZERO: Arrays = {"b": np.zeros(3, np.float32), "a": np.zeros((2, 2), np.float32)}


def test_settings_come_from_the_hospital_alone(
    agent: ScriptedAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"quorate-socket": str(agent.path), "quorate-metrics": "loss"}
    message = message_of("train", ZERO, **theirs)
    assert "names no quorate agent" in refused(adding_app()(message, context_of(theirs)))
    assert not agent.asked
    monkeypatch.setenv("QUORATE_SOCKET", str(agent.path))
    reply = adding_app()(message_of("train", ZERO, **theirs), context_of(theirs))
    assert dict(reply.content["metrics"]) == {"num-examples": 1}
    monkeypatch.setenv("QUORATE_METRICS", "loss")
    reply = adding_app()(message_of("evaluate", ZERO), context_of())
    assert "loss" in reply.content["metrics"]


def test_the_app_that_a_plan_pins_is_said_as_the_hospital_has_set_it(agent: ScriptedAgent) -> None:
    context = context_of(quorate_socket=agent.path, quorate_app="ab" * 32)
    adding_app()(message_of("train", ZERO), context)
    assert agent.asked[0]["app"] == "ab" * 32


@pytest.mark.parametrize(
    ("name", "said"), [("reveal", "everything"), ("app", "latest"), ("metrics", 7), ("queries", 7)]
)
def test_a_setting_that_makes_no_sense_is_refused(
    agent: ScriptedAgent, name: str, said: str | int
) -> None:
    context = context_of(quorate_socket=agent.path)
    context.node_config[f"quorate-{name}"] = said
    assert f"quorate-{name}" in refused(adding_app()(message_of("train", ZERO), context))
    assert not agent.asked
