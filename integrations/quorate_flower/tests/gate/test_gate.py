# SPDX-License-Identifier: Apache-2.0
"""What the gate answers a SuperNode, and what of it the SuperLink comes to know."""

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ArrayRecord, Error, Message, MetricRecord, RecordDict
from flwr.common.serde import message_from_proto
from flwr.proto.fab_pb2 import GetFabRequest
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
    PushMessagesResponse,
    RegisterNodeFleetRequest,
    RegisterNodeFleetResponse,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest, SendNodeHeartbeatResponse
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ConfirmMessageReceivedResponse,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from quorate_flower.gate import courier
from quorate_flower.gate.errors import RunOver, SuperLinkAway, SuperLinkRefuses
from quorate_flower.gate.gate import Denied

from tests.gate.replies import (
    NODE,
    PATIENT,
    RUN,
    Pushed,
    fab,
    good,
    instruction,
    pushed,
    receipt,
    reply,
    run,
)
from tests.gate.superlink import Door, ScriptedSuperLink


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "LEAST", 0.0)


def scene(play: Callable[[Door], Awaitable[None]], *messages: Message) -> ScriptedSuperLink:
    """Play it with a SuperLink that has these messages; returns that."""
    superlink = ScriptedSuperLink(*messages)

    async def played() -> None:
        door = Door(superlink)
        await door.gate.answer("activate-node", b"")
        await play(door)
        await door.settle()

    asyncio.run(played())
    return superlink


def answer_to(work: Pushed, content: RecordDict | Error) -> Pushed:
    """A reply to what was pulled."""
    return reply(content, message_from_proto(work.message))


def error_of(superlink: ScriptedSuperLink) -> str:
    """The reason of the one error that the ServerApp was told."""
    (told,) = superlink.replies
    assert told.metadata.run_id == RUN
    assert told.metadata.dst_node_id == 1
    return str(told.error.reason)


def test_a_good_reply_arrives_as_the_gate_has_made_it() -> None:
    async def play(door: Door) -> None:
        work = await door.work()
        await door.push(answer_to(work, good()))

    superlink = scene(play)
    (sent,) = superlink.asked("push_messages")
    about = sent.messages_list[0].metadata
    assert (about.run_id, about.src_node_id, about.dst_node_id) == (RUN, NODE, 1)
    assert about.reply_to_message_id == superlink.asked("confirm")[0].message_object_id
    objects = b"".join(one.object_content for one in superlink.asked("push_object"))
    assert b"train_loss" in objects
    assert b"num-examples" in objects
    assert not sent.clientapp_runtime_list  # it would tell how much data there is
    assert len(superlink.asked("push_object")) == 4


def test_what_is_pulled_is_what_the_superlink_has() -> None:
    message = instruction(size=200_000)

    async def play(door: Door) -> None:
        work = await door.work()
        assert work.objects == pushed(message).objects

    scene(play, message)


def test_a_reply_with_arrays_is_refused_and_the_server_app_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play(door: Door) -> None:
        work = await door.work()
        with pytest.raises(Denied, match="no arrays may leave"):
            await door.push(answer_to(work, good(arrays=ArrayRecord([np.full(3, 0.123456)]))))

    superlink = scene(play)
    assert "no arrays may leave" in error_of(superlink)
    assert np.float64(0.123456).tobytes() not in superlink.bytes_said()
    assert "no arrays may leave" in caplog.text


def test_a_reply_of_many_objects_is_refused_before_one_is_pushed() -> None:
    async def play(door: Door) -> None:
        work = await door.work()
        arrays = ArrayRecord([np.full(3, float(k)) for k in range(9)])
        with pytest.raises(Denied, match="objects"):
            await door.push(answer_to(work, RecordDict({"arrays": arrays})))

    assert "no arrays may leave" in error_of(scene(play))


def test_a_request_that_is_too_large_refuses_the_reply() -> None:
    async def play(door: Door) -> None:
        await door.work()
        door.gate.too_large("push-object")
        with pytest.raises(Denied) as caught:
            await door.gate.answer("get-run", GetRunRequest(run_id=RUN).SerializeToString())
        assert caught.value.status == 403

    assert "more than 20 KiB" in error_of(scene(play))


@pytest.mark.parametrize("name", ["pull-messages", "send-node-heartbeat", "get-run"])
def test_another_large_request_changes_nothing(name: str) -> None:
    async def play(door: Door) -> None:
        work = await door.work()
        door.gate.too_large(name)
        await door.push(answer_to(work, good()))

    superlink = scene(play)
    assert not superlink.replies
    assert len(superlink.asked("push_messages")) == 1


def test_what_an_app_says_in_an_error_stays_here(caplog: pytest.LogCaptureFixture) -> None:
    async def play(door: Door) -> None:
        work = await door.work()
        await door.push(answer_to(work, Error(2, PATIENT)))

    superlink = scene(play)
    assert error_of(superlink).startswith("quorate gate: the app fails")
    assert PATIENT.encode() not in superlink.bytes_said()
    assert PATIENT not in caplog.text


def test_an_app_that_is_not_listed_is_not_handed_out() -> None:
    superlink = ScriptedSuperLink()
    superlink.run = run(fab_hash="0" * 64)

    async def played() -> None:
        door = Door(superlink)
        await door.gate.answer("activate-node", b"")
        assert not (await door.pull()).messages_list
        await door.settle()

    asyncio.run(played())
    assert "does not run app" in error_of(superlink)
    assert not superlink.asked("get_fab")
    assert not superlink.asked("pull_object")


def test_other_content_under_a_listed_hash_is_not_handed_out() -> None:
    superlink = ScriptedSuperLink()
    superlink.fab = fab(b"other code")
    superlink.fab.hash_str = superlink.run.fab_hash

    async def played() -> None:
        door = Door(superlink)
        await door.gate.answer("activate-node", b"")
        assert not (await door.pull()).messages_list
        await door.settle()

    asyncio.run(played())
    assert "does not run app" in error_of(superlink)


def test_the_bundle_that_was_verified_is_the_one_that_is_given() -> None:
    async def play(door: Door) -> None:
        await door.pull()
        door.superlink.fab = fab(b"other code")
        await door.work()
        assert len(door.superlink.asked("get_fab")) == 1

    scene(play)


def test_another_run_brings_its_own_app() -> None:
    """A SuperLink cannot bring in a second app under a run that was let in."""

    async def play(door: Door) -> None:
        work = await door.work()
        await door.push(answer_to(work, good()))
        door.superlink.run, door.superlink.fab = run(run_id=78), fab(b"other code")
        assert not (await door.pull()).messages_list

    superlink = scene(play, instruction(), instruction(run_id=78))
    (told,) = superlink.replies
    assert "does not run app" in str(told.error.reason)


def test_a_message_to_another_node_is_left_alone() -> None:
    async def play(door: Door) -> None:
        assert not (await door.pull()).messages_list

    superlink = scene(play, instruction(node_id=NODE + 1))
    assert not superlink.asked("get_run")


@pytest.mark.parametrize("name", ["message", "child"])
def test_a_message_whose_objects_have_no_ids_is_left_alone(name: str) -> None:
    superlink = ScriptedSuperLink()
    (message,) = superlink.messages
    if name == "message":
        message.message.metadata.message_id = "0" * 64
    else:
        message.tree.children[0].object_id = "../../etc/passwd"

    async def played() -> None:
        assert not (await Door(superlink).pull()).messages_list

    asyncio.run(played())
    assert not superlink.asked("get_run")


def test_a_message_of_too_many_objects_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate_flower.gate.errand.MOST_OBJECTS", 4)

    async def play(door: Door) -> None:
        assert not (await door.pull()).messages_list

    assert not scene(play).asked("get_run")


def test_the_supernode_reads_no_file_but_the_messages_objects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "secret").write_text(PATIENT)

    async def play(door: Door) -> None:
        await door.work()
        for name in ("../secret", str(tmp_path / "secret"), "."):
            request = PullObjectRequest(run_id=RUN, object_id=name)
            answer = await door.gate.answer("pull-object", request.SerializeToString())
            assert answer == b""  # not found

    scene(play)


def test_an_array_is_refused_before_the_reply_is_whole() -> None:
    async def play(door: Door) -> None:
        work = await door.work()
        told = answer_to(work, good(arrays=ArrayRecord([np.arange(3.0)])))
        request = told.request().SerializeToString()
        answer = PushMessagesResponse.FromString(await door.gate.answer("push-messages", request))
        (chunk,) = (one for one in told.objects if told.objects[one].startswith(b"ArrayChunk"))
        with pytest.raises(Denied, match="an ArrayChunk: no arrays may leave"):
            await door.push_object(told, chunk, answer.session_id)

    assert "an ArrayChunk" in error_of(scene(play))


def test_a_message_that_has_ended_is_not_fetched_further() -> None:
    async def play(door: Door) -> None:
        def ends(name: str) -> None:
            if name == "pull_object":
                door.gate._abandon("it was stopped")

        door.superlink.failing = ends
        assert not (await door.pull()).messages_list

    superlink = scene(play)
    assert len(superlink.asked("pull_object")) == 1
    assert "it was stopped" in error_of(superlink)


def test_an_object_that_is_another_ends_the_message() -> None:
    superlink = ScriptedSuperLink()
    first = next(iter(superlink.objects))
    superlink.objects[first] = b"ConfigRecord  0\0"

    async def played() -> None:
        door = Door(superlink)
        await door.gate.answer("activate-node", b"")
        assert not (await door.pull()).messages_list
        await door.settle()

    asyncio.run(played())
    assert "not the one that is named" in error_of(superlink)


def test_a_message_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate_flower.gate.errand.MOST_BYTES", 1 << 20)

    async def play(door: Door) -> None:
        assert not (await door.pull()).messages_list

    assert "more than 1 MiB" in error_of(scene(play, instruction(size=1 << 18)))


SECRET = PATIENT.encode()


def test_nothing_that_a_supernode_says_by_the_way_leaves() -> None:
    """Keys, ids, node numbers, intervals, runtimes and unknown fields are the gate's own."""
    hidden = b"\xfa\x3e" + bytes([len(SECRET)]) + SECRET  # field 1007, which Flower has not

    async def play(door: Door) -> None:
        gate = door.gate
        await gate.answer(
            "register-node", RegisterNodeFleetRequest(public_key=SECRET).SerializeToString()
        )
        await gate.answer(
            "activate-node",
            ActivateNodeRequest(public_key=SECRET, heartbeat_interval=0.123).SerializeToString(),
        )
        beat = SendNodeHeartbeatRequest(node=Node(node_id=9), heartbeat_interval=1234.5)
        await gate.answer("send-node-heartbeat", beat.SerializeToString() + hidden)
        pull = PullMessagesRequest(node=Node(node_id=9), message_ids=[PATIENT])
        await gate.answer("pull-messages", pull.SerializeToString() + hidden)
        work = await door.work()
        told = answer_to(work, good())
        request = told.request()
        about = request.messages_list[0].metadata
        about.group_id, about.message_type, about.src_node_id = PATIENT, PATIENT, 9
        request.clientapp_runtime_list.append(1234.5)
        request.messages_list[0].error.reason = PATIENT
        confirm = ConfirmMessageReceivedRequest(run_id=RUN, message_object_id=PATIENT)
        await gate.answer("confirm-message-received", confirm.SerializeToString())
        answer = await gate.answer("push-messages", request.SerializeToString() + hidden)
        said = PushMessagesResponse.FromString(answer)
        for name in said.objects_to_push:
            pushing = PushObjectRequest(
                node=Node(node_id=9), run_id=RUN, object_id=name, session_id=said.session_id,
                object_content=told.objects[name],
            )  # fmt: skip
            await gate.answer("push-object", pushing.SerializeToString() + hidden)

    superlink = scene(play)
    assert SECRET not in superlink.bytes_said()
    assert np.float64(1234.5).tobytes() not in superlink.bytes_said()
    (sent,) = superlink.asked("push_messages")
    about = sent.messages_list[0].metadata
    assert (about.group_id, about.message_type, about.src_node_id) == ("1", "train", NODE)
    assert {one.node.node_id for one in superlink.asked("heartbeat")} == {NODE}


def test_the_supernode_cannot_choose_what_is_pulled() -> None:
    async def play(door: Door) -> None:
        await door.work()
        before = len(door.superlink.said)
        for name in ("0" * 64, PATIENT, "../../etc/passwd", ""):
            request = PullObjectRequest(run_id=RUN, object_id=name)
            answer = await door.gate.answer("pull-object", request.SerializeToString())
            assert PATIENT.encode() not in answer
        for run_id, status in ((RUN + 1, 403),):
            with pytest.raises(Denied) as caught:
                await door.gate.answer("get-run", GetRunRequest(run_id=run_id).SerializeToString())
            assert caught.value.status == status
        wanted = GetFabRequest(run_id=RUN, hash_str="0" * 64)
        with pytest.raises(Denied):
            await door.gate.answer("get-fab", wanted.SerializeToString())
        assert len(door.superlink.said) == before

    scene(play)


def test_there_is_one_reply_to_a_message_and_none_without_one() -> None:
    async def play(door: Door) -> None:
        told = reply(good())
        with pytest.raises(Denied):
            await door.push(told)
        work = await door.work()
        other = answer_to(work, good())
        other.message.metadata.reply_to_message_id = "0" * 64
        with pytest.raises(Denied, match="no reply to the message"):
            await door.push(other)
        await door.push(answer_to(work, good()))
        with pytest.raises(Denied):
            await door.push(answer_to(work, good()))

    assert len(scene(play).asked("push_messages")) == 1


def test_a_request_has_one_message() -> None:
    async def play(door: Door) -> None:
        work = await door.work()
        request = answer_to(work, good()).request()
        request.messages_list.append(request.messages_list[0])
        with pytest.raises(Denied, match="one message"):
            await door.gate.answer("push-messages", request.SerializeToString())

    assert not scene(play).asked("push_messages")


def test_an_object_that_was_not_announced_is_not_taken() -> None:
    async def play(door: Door) -> None:
        work = await door.work()
        told = answer_to(work, good())
        await door.gate.answer("push-messages", told.request().SerializeToString())
        extra = reply(RecordDict({"metrics": MetricRecord({"train_loss": 9.0})}))
        with pytest.raises(Denied, match="no object of the reply"):
            await door.push_object(extra, extra.root, "")

    assert not scene(play).asked("push_object")


def test_two_replies_of_a_run_name_one_study() -> None:
    async def play(door: Door) -> None:
        for name in ("", "cardio", "cardio", ""):
            work = await door.work()
            await door.push(answer_to(work, good(quorate=receipt(study=name))))
        work = await door.work()
        with pytest.raises(Denied, match="another study"):
            await door.push(answer_to(work, good(quorate=receipt(study="erika"))))

    superlink = scene(play, *(instruction(size=k) for k in range(1, 6)))
    assert "another study" in error_of(superlink)
    assert b"erika" not in superlink.bytes_said()


def test_a_run_in_between_lets_no_run_name_another_study() -> None:
    async def play(door: Door) -> None:
        for number, name in ((RUN, "cardio"), (RUN + 1, "other")):
            door.superlink.run = run(run_id=number)
            work = await door.work()
            await door.push(answer_to(work, good(quorate=receipt(study=name))))
        door.superlink.run = run()
        work = await door.work()
        with pytest.raises(Denied, match="another study"):
            await door.push(answer_to(work, good(quorate=receipt(study="erika"))))

    superlink = scene(play, instruction(), instruction(run_id=RUN + 1), instruction(size=2))
    assert b"erika" not in superlink.bytes_said()


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


def test_what_is_no_protobuf_is_denied() -> None:
    async def play(door: Door) -> None:
        for name in door.gate.requests:
            if name.endswith("node"):
                continue
            with pytest.raises(Denied, match="cannot be read"):
                await door.gate.answer(name, b"\xff\xff\xff")

    scene(play)


def test_the_log_names_runs_and_rules_and_no_content(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def play(door: Door) -> None:
        work = await door.work()
        told = good(metrics=MetricRecord({PATIENT: 0.5}))
        with pytest.raises(Denied):
            await door.push(answer_to(work, told))

    scene(play)
    assert f"run {RUN}" in caplog.text
    assert PATIENT not in caplog.text


def test_unneeded_confirmations_stay_here() -> None:
    async def play(door: Door) -> None:
        await door.work()
        request = ConfirmMessageReceivedRequest(run_id=RUN, message_object_id="0" * 64)
        await door.ask("confirm-message-received", request, ConfirmMessageReceivedResponse)

    (confirmed,) = scene(play).asked("confirm")
    assert confirmed.message_object_id != "0" * 64


def test_a_deactivation_takes_the_gates_node_offline() -> None:
    async def play(door: Door) -> None:
        request = DeactivateNodeRequest(node_id=999)
        await door.gate.answer("deactivate-node", request.SerializeToString())

    assert scene(play).asked("deactivate")


def test_an_empty_push_is_denied() -> None:
    async def play(door: Door) -> None:
        await door.work()
        with pytest.raises(Denied, match="one message"):
            await door.gate.answer("push-messages", PushMessagesRequest().SerializeToString())

    scene(play)
