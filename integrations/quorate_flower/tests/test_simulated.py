# SPDX-License-Identifier: Apache-2.0
"""In simulation updates are rounded as a plan would have them, in clear, and it says so."""

import logging

import numpy as np
import pytest
from quorate_flower.records import Arrays

from quorate_flower import QuorateError, simulated_mod
from tests.stage.apps import EXAMPLES, adding_app, context_of, message_of

ZERO = {"w": np.zeros(100_000, np.float64), "batches": np.array(3)}


def test_an_update_is_rounded_to_the_plans_steps_and_keeps_its_mean() -> None:
    app = adding_app(mod=simulated_mod(1.0, 16, 1000))
    reply = app(message_of("train", ZERO), context_of())
    sent = reply.content.array_records["arrays"]["w"].numpy()
    step = 1.0 * 1000 / (2**15 - 1 - 16) / EXAMPLES
    assert np.allclose(sent / step, np.round(sent / step))
    error = (sent - 0.25) / step
    assert abs(error.mean()) < 0.02
    assert 1.0 < error.std() < 1.2  # of 1.07 and rounding, √(1.07² + 1/12)
    assert reply.content.array_records["arrays"]["batches"].numpy() == 4
    assert reply.content["metrics"]["num-examples"] == EXAMPLES


def test_an_update_beyond_the_clip_is_not_contributed() -> None:
    reply = adding_app(mod=simulated_mod(0.125, 16, 1000))(message_of("train", ZERO), context_of())
    assert "changed by 0.25, and the plan's clip is 0.125" in str(reply.error.reason)
    assert "nothing is encrypted" in str(reply.error.reason)


def test_more_examples_than_the_plan_allows_are_refused() -> None:
    reply = adding_app(mod=simulated_mod(1.0, 16, 100))(message_of("train", ZERO), context_of())
    assert "150 examples, and the plan allows 1 to 100" in str(reply.error.reason)


def test_every_line_says_that_nothing_is_encrypted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "flwr"):
        adding_app(mod=simulated_mod(1.0, 32, 1000))(message_of("train", ZERO), context_of())
        adding_app(mod=simulated_mod(0.1, 32, 1000))(message_of("train", ZERO), context_of())
    assert len(caplog.records) == 2
    assert all("SIMULATED" in one.message and "in clear" in one.message for one in caplog.records)


@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_where_a_hospital_has_an_agent_nothing_is_run(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Arrays] = []
    app = adding_app(mod=simulated_mod(1.0, 32, 1000), seen=seen)
    assert "use quorate_mod" in str(
        app(message_of(kind, ZERO), context_of(quorate_socket="/x")).error.reason
    )
    monkeypatch.setenv("QUORATE_SOCKET", "/x")
    assert "use quorate_mod" in str(app(message_of(kind, ZERO), context_of()).error.reason)
    assert not seen


@pytest.mark.parametrize("bounds", [(0.0, 32, 10), (float("nan"), 32, 10), (1, 7, 10), (1, 8, 0)])
def test_bounds_that_no_plan_has_are_refused(bounds: tuple[float, int, int]) -> None:
    with pytest.raises(QuorateError, match="simulated_mod"):
        simulated_mod(*bounds)
