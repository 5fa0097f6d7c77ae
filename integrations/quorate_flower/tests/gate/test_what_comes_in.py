# SPDX-License-Identifier: Apache-2.0
"""Which messages and apps of a SuperLink the gate hands to its SuperNode."""

import tempfile
from pathlib import Path

import pytest
from flwr.proto.fab_pb2 import GetFabRequest
from flwr.proto.message_pb2 import PullObjectRequest
from flwr.proto.run_pb2 import GetRunRequest
from quorate_flower.gate.gate import Denied

from tests.gate.replies import NODE, PATIENT, RUN, fab, good, instruction, pushed, run
from tests.gate.superlink import Door, answer_to, error_of, scene


def test_what_is_pulled_is_what_the_superlink_has() -> None:
    message = instruction(size=200_000)

    async def play(door: Door) -> None:
        work = await door.work()
        assert work.objects == pushed(message).objects

    scene(play, message)


def test_an_app_that_is_not_listed_is_not_handed_out() -> None:
    async def play(door: Door) -> None:
        door.superlink.run = run(fab_hash="0" * 64)
        assert not (await door.pull()).messages_list

    superlink = scene(play)
    assert "does not run app" in error_of(superlink)
    assert not superlink.asked("get_fab")
    assert not superlink.asked("pull_object")


def test_other_content_under_a_listed_hash_is_not_handed_out() -> None:
    async def play(door: Door) -> None:
        door.superlink.fab = fab(b"other code")
        door.superlink.fab.hash_str = door.superlink.run.fab_hash
        assert not (await door.pull()).messages_list

    assert "does not run app" in error_of(scene(play))


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
    async def play(door: Door) -> None:
        (message,) = door.superlink.messages
        if name == "message":
            message.message.metadata.message_id = "0" * 64
        else:
            message.tree.children[0].object_id = "../../etc/passwd"
        assert not (await door.pull()).messages_list

    assert not scene(play).asked("get_run")


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
    async def play(door: Door) -> None:
        first = next(iter(door.superlink.objects))
        door.superlink.objects[first] = b"ConfigRecord  0\0"
        assert not (await door.pull()).messages_list

    assert "not the one that is named" in error_of(scene(play))


def test_a_message_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate_flower.gate.errand.MOST_BYTES", 1 << 20)

    async def play(door: Door) -> None:
        assert not (await door.pull()).messages_list

    assert "more than 1 MiB" in error_of(scene(play, instruction(size=1 << 18)))


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
