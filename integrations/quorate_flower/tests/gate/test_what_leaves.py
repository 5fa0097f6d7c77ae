# SPDX-License-Identifier: Apache-2.0
"""What of a SuperNode's requests and replies the SuperLink comes to know."""

import logging

import numpy as np
import pytest
from flwr.app import ArrayRecord, Error, MetricRecord, RecordDict
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
    PushMessagesResponse,
    RegisterNodeFleetRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ConfirmMessageReceivedResponse,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from quorate_flower.gate.gate import Denied

from tests.gate.replies import NODE, PATIENT, RUN, good, instruction, receipt, reply, run
from tests.gate.superlink import Door, answer_to, error_of, scene

SECRET = PATIENT.encode()


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


def test_an_empty_push_is_denied() -> None:
    async def play(door: Door) -> None:
        await door.work()
        with pytest.raises(Denied, match="one message"):
            await door.gate.answer("push-messages", PushMessagesRequest().SerializeToString())

    scene(play)
