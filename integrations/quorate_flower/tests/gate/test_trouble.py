# SPDX-License-Identifier: Apache-2.0
"""Start, end and trouble: no message is left without an answer, and the gate is the node."""

import asyncio

import pytest
from flwr.proto.fleet_pb2 import (
    DeactivateNodeRequest,
    RegisterNodeFleetRequest,
    RegisterNodeFleetResponse,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest, SendNodeHeartbeatResponse
from quorate_flower.gate import courier
from quorate_flower.gate.errors import RunOver, SuperLinkAway, SuperLinkRefuses
from quorate_flower.gate.gate import Denied

from tests.gate.replies import NODE, good
from tests.gate.superlink import Door, ScriptedSuperLink, answer_to, error_of, scene


def test_a_pull_whose_answer_was_lost_gives_the_message_again() -> None:
    async def play(door: Door) -> None:
        first, second = await door.pull(), await door.pull()
        assert first == second
        assert first.messages_list

    assert len(scene(play).asked("pull_messages")) == 1


def test_a_message_that_is_pulled_again_and_again_is_answered_with_an_error() -> None:
    async def play(door: Door) -> None:
        for _ in range(3):
            assert (await door.pull()).messages_list
        assert not (await door.pull()).messages_list

    assert "gives no reply" in error_of(scene(play))


def test_a_message_that_cannot_be_fetched_is_answered_with_an_error() -> None:
    async def play(door: Door) -> None:
        door.superlink.failing = lambda name: (
            SuperLinkRefuses(412, "no") if name == "get_fab" else None
        )
        assert not (await door.pull()).messages_list

    assert "could not fetch" in error_of(scene(play))


@pytest.mark.parametrize("name", ["pull-messages", "activate-node", "deactivate-node"])
def test_a_message_that_a_supernode_lets_lie_is_answered_with_an_error(name: str) -> None:
    async def play(door: Door) -> None:
        await door.work()
        await door.gate.answer(name, b"")

    assert "gives no reply" in error_of(scene(play))


def test_a_supernode_that_starts_anew_gets_the_message_that_nobody_has_had() -> None:
    async def play(door: Door) -> None:
        await door.gate.answer("pull-messages", b"")  # fetched, and the answer lost
        door.gate._errand.stage = type(door.gate._errand.stage).READY  # type: ignore[union-attr]
        await door.gate.answer("activate-node", b"")
        assert (await door.pull()).messages_list

    assert not scene(play).replies


def test_the_end_of_the_gate_answers_what_is_open() -> None:
    async def play(door: Door) -> None:
        await door.work()
        await door.gate.close()

    superlink = scene(play)
    assert "the gate was stopped" in error_of(superlink)
    assert [name for name, _ in superlink.said][-2:] == ["deactivate", "unregister"]


def test_the_gate_is_the_node() -> None:
    async def play(door: Door) -> None:
        answer = await door.ask(
            "register-node", RegisterNodeFleetRequest(public_key=b"k"), RegisterNodeFleetResponse
        )
        assert answer.node_id == NODE

    superlink = scene(play)
    assert [name for name, _ in superlink.said] == ["register", "activate", "heartbeat"]


def test_a_superlink_that_has_forgotten_the_node_gets_to_know_it_again() -> None:
    async def play(door: Door) -> None:
        door.superlink.is_known = False
        answer = await door.ask(
            "send-node-heartbeat", SendNodeHeartbeatRequest(), SendNodeHeartbeatResponse
        )
        assert answer.success

    assert [name for name, _ in scene(play).said] == [
        "register", "activate", "heartbeat", "register", "activate",
    ]  # fmt: skip


def test_a_gate_that_is_started_anew_serves_the_supernode_that_was_not() -> None:
    superlink = ScriptedSuperLink()

    async def played() -> None:
        door = Door(superlink)
        work = await door.work()
        await door.push(answer_to(work, good()))
        await door.settle()

    asyncio.run(played())
    assert len(superlink.asked("push_object")) == 4


def test_a_superlink_that_lets_no_node_register_asks_for_a_key() -> None:
    superlink = ScriptedSuperLink()
    superlink.failing = lambda name: SuperLinkRefuses(412, "no") if name == "register" else None

    async def played() -> None:
        with pytest.raises(Denied, match="give --private-key"):
            await Door(superlink).gate.answer("register-node", b"")

    asyncio.run(played())


def test_pulls_and_heartbeats_do_not_drum(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(door: Door) -> None:
        work = await door.work()
        await door.push(answer_to(work, good()))
        monkeypatch.setattr(courier, "LEAST", 1.0)
        for _ in range(50):
            await door.pull()
            await door.gate.answer("send-node-heartbeat", b"")

    superlink = scene(play)
    assert len(superlink.asked("pull_messages")) == 1
    assert len(superlink.asked("heartbeat")) <= 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RunOver(403, "over"), 403),
        (SuperLinkRefuses(401, "who"), 401),
        (SuperLinkAway("away"), 503),
    ],
)
def test_the_supernode_is_told_what_the_superlink_says(error: Exception, status: int) -> None:
    async def play(door: Door) -> None:
        door.superlink.failing = lambda name: error if name == "pull_messages" else None
        with pytest.raises(Denied) as caught:
            await door.pull()
        assert caught.value.status == status

    scene(play)


def test_a_reply_goes_out_once_the_superlink_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    async def play(door: Door) -> None:
        work = await door.work()
        failed: list[str] = []

        def failing(name: str) -> Exception | None:
            failed.append(name)
            is_away = name == "push_messages" and failed.count(name) < 4
            return SuperLinkAway("away") if is_away else None

        door.superlink.failing = failing
        sleep = asyncio.sleep

        async def nap(seconds: float) -> None:
            naps.append(seconds)
            await sleep(0)

        monkeypatch.setattr(asyncio, "sleep", nap)
        await door.push(answer_to(work, good()))
        for _ in range(50):
            await sleep(0)
        monkeypatch.setattr(asyncio, "sleep", sleep)

    assert len(scene(play).asked("push_object")) == 4
    assert naps[:3] == [1.0, 2.0, 4.0]


def test_a_deactivation_takes_the_gates_node_offline() -> None:
    async def play(door: Door) -> None:
        request = DeactivateNodeRequest(node_id=999)
        await door.gate.answer("deactivate-node", request.SerializeToString())

    assert scene(play).asked("deactivate")
