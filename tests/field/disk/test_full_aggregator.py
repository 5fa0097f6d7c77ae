"""An aggregator with a full disk says so to hospitals and in its status, and goes on by itself."""

import asyncio
import errno
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aggregator.errors import StoreFull
from aggregator.server import server
from aggregator.server.service import Aggregator
from aggregator.status import file as status_file
from aggregator.status.file import read_status, remove_status, touch_status, write_status
from aggregator.status.text import render
from aggregator.store.board import BoardStore
from participant.agent.agent import Agent
from participant.cli.views.ceremony import link_notices
from participant.cli.views.standing import show_standing
from participant.errors import OutOfTime
from participant.network.session import Session
from protocol.board.draft import Draft
from protocol.messages.attachment import attach, blob_name
from protocol.messages.ceremony import Join, Step
from protocol.wire.frames import (
    Accepted,
    BlobChunk,
    Rejected,
    StatusReport,
    StatusRequest,
    Submit,
    Welcome,
)
from tests.stage.caller import serving, until
from tests.stage.desk import Desk
from tests.stage.saying import FEDERATION, NOWHERE, agent, aggregator, connect, talk

FULL = "No space left on device"
JOIN = Join(b"key", bytes(32))


def full(*_: object) -> None:
    raise StoreFull(Path("board.sqlite"), FULL, errno.ENOSPC)


# ── the service ──


async def test_hospitals_and_status_are_told_since_when_and_why(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = desk.sign(1, "ceremony/1", JOIN)
    async with serving(desk) as service, service.member(1) as line:
        folder = desk.folder
        with monkeypatch.context() as patch:
            patch.setattr(BoardStore, "append", full)
            for _ in range(2):
                desk.time_ms += 60_000
                answer = await line.ask(Submit(post))
                assert isinstance(answer, Rejected)
                assert answer.code == "busy"
                assert answer.reason.startswith(
                    "it cannot store anything since 1970-01-01T00:17:40"
                )
                assert answer.reason.endswith(FULL)
            report = await line.ask(StatusRequest())
            assert isinstance(report, StatusReport)
            found = msgspec.json.decode(report.report)
            assert found["storage"]["reason"] == FULL
            assert found["storage"]["since"] == "1970-01-01T00:17:40.000+00:00"
            assert found["storage"]["last_tried"] == "1970-01-01T00:18:40.000+00:00"
            await until(lambda: (read_status(folder) or {}).get("storage") is not None)
        assert await line.ask(Submit(post)) == Accepted(post.digest, 1)
        assert desk.service.storage.trouble is None


async def test_a_report_that_cannot_be_written_is_told_until_it_can_be(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = desk.service.storage
    with monkeypatch.context() as patch:
        patch.setattr(server, "write_status", full)
        async with serving(desk):
            await until(lambda: storage.trouble is not None)
            patch.undo()
            await until(lambda: storage.trouble is None)
            written = desk.folder / "status.json"
            await until(lambda: (read_status(desk.folder) or {"storage": 1})["storage"] is None)
            os.utime(written, (0, 0))  # long ago, and it is still true
            await until(lambda: written.stat().st_mtime > 0)


def test_what_is_stored_of_a_blob_shows_that_there_is_room(desk: Desk) -> None:
    storage, data = desk.service.storage, bytes(5000)
    for trouble_is_over in (True, False):  # the second time nothing has to be stored
        storage.refused(StoreFull(desk.folder, FULL))
        desk.ask(1, BlobChunk(blob_name(data), len(data), 0, data))
        assert (storage.trouble is None) is trouble_is_over


def test_status_shows_it_to_operators_and_hospitals(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    report: dict[str, Any] = desk.service.status({})
    assert not any("STORE" in row for row in render(report, "now"))
    desk.service.storage.refused(StoreFull(Path("secret/place"), FULL))
    report = desk.service.status({})
    (row,) = [row for row in render(report, "now") if "NOTHING CAN BE STORED since 1970" in row]
    assert FULL in row
    show_standing(None, report, "H1")
    said = capsys.readouterr().out
    assert "THE AGGREGATOR CANNOT STORE ANYTHING since 1970" in said
    assert FULL in said
    assert "secret" not in said  # a path is the operator's


# ── its report, where a new file has no room ──


@pytest.fixture
def no_new_file(monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def refuse(path: Any, flags: int, *rest: Any, **names: Any) -> int:
        if flags & os.O_CREAT and "status" in str(path):
            raise OSError(errno.ENOSPC, FULL, path)
        return really(path, flags, *rest, **names)

    monkeypatch.setattr(status_file.os, "open", refuse)


def test_a_report_takes_the_room_of_the_last_one(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    first = desk.service.status({})
    write_status(tmp_path, first)
    remove_status(tmp_path)  # at the start of the next service
    assert read_status(tmp_path) is None
    request.getfixturevalue("no_new_file")
    desk.service.storage.refused(StoreFull(tmp_path, FULL))
    later: dict[str, Any] = desk.service.status({})
    later |= {"rounds": [{"session": f"round/{k}"} for k in range(1000)]}
    with pytest.raises(StoreFull, match=FULL):
        write_status(tmp_path, later)
    found = read_status(tmp_path)
    assert found is not None
    assert found["storage"] == later["storage"]
    shown, left_out = found["rounds"], found["rounds_not_shown"]
    assert isinstance(shown, list)
    assert isinstance(left_out, int)
    assert len(shown) + left_out == 1000
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


def test_a_report_that_is_old_says_so(desk: Desk, tmp_path: Path) -> None:
    write_status(tmp_path, desk.service.status({}))
    os.utime(tmp_path / "status.json", (time.time() - 600,) * 2)
    found = read_status(tmp_path)
    assert found is not None
    assert any("THIS REPORT IS 10:00 min OLD" in row for row in render(found, "now"))
    touch_status(tmp_path)  # as a service does that has nothing new to tell
    found = read_status(tmp_path)
    assert found is not None
    assert not any("OLD" in row for row in render(found, "now"))


# ── a hospital ──


def refused_while_full(service: Aggregator, member: Agent, monkeypatch: Any) -> None:
    """Let an agent say what it has to say to a service that answers as the server does."""
    receive = service.receive

    def answer(index: int, frame: Any) -> Any:
        try:
            return receive(index, frame)
        except StoreFull as error:
            return [Rejected("busy", f"it cannot store anything: {error.reason}")]

    with monkeypatch.context() as patch:
        patch.setattr(service, "receive", answer)
        patch.setattr(BoardStore, "append", full)
        connect(member, service)


def test_an_agent_keeps_what_was_not_taken_and_sends_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, blob = aggregator(tmp_path), bytes(range(256)) * 40
    body = Step("units", 0, 0, (attach(blob),))
    member = agent(1, None, Draft("ceremony/1", body, (blob,)))
    refused_while_full(service, member, monkeypatch)
    assert member.stalled == f"it cannot store anything: {FULL}"
    assert service.board.head.position == 0
    assert not member.done
    member.nudge()  # as the session does while nothing comes
    talk(member, service)
    assert service.board.head.position == 1
    assert member.stalled == ""
    assert member.done
    service.close()


def test_a_blob_that_cannot_be_had_for_a_while_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, blob = aggregator(tmp_path), bytes(range(256)) * 40
    body = Step("units", 0, 0, (attach(blob),))
    connect(agent(1, None, Draft("ceremony/1", body, (blob,))), service)
    reader = agent(2)
    with monkeypatch.context() as patch:
        busy = [Rejected("busy", "its object store fails")]
        patch.setattr(service, "_download", lambda frame: busy)
        connect(reader, service)
    assert reader.stalled == "its object store fails"
    assert reader.tasks.main.heard == []
    reader.nudge()
    talk(reader, service)
    assert reader.stalled == ""
    assert [list(payloads.values()) for _, payloads in reader.tasks.main.heard] == [[blob]]
    service.close()


def test_a_hospital_is_told_once_and_once_more_when_it_is_over() -> None:
    said: list[str] = []
    member = agent()
    session = Session(member, FEDERATION.keys[1], NOWHERE, link_notices("wss://h", said.append))
    for stalled in ("", "it is full", "it is full, still", "", ""):
        member.stalled = stalled
        session._tell_stall()
    assert len(said) == 2
    assert "does not take what this hospital sends: it is full." in said[0]
    assert "sent again until it is taken, waiting since" in said[0]
    assert said[1] == "The aggregator takes what this hospital sends again."


def test_who_gives_up_waiting_is_told_why() -> None:
    member = agent(1, None, Draft("ceremony/1", JOIN))
    member.connected(Welcome(0, member.board.head.hash))
    member.receive(Rejected("busy", "it cannot store anything"))
    session = Session(member, FEDERATION.keys[1], NOWHERE, time_limit=0.01)
    session._no_link = ""
    session._connect_until_done = _for_ever
    with pytest.raises(OutOfTime) as caught:
        asyncio.run(session.work())
    waiting = caught.value.waiting
    assert (waiting.kind, waiting.facts["reason"]) == ("stalled", "it cannot store anything")
    assert waiting.members == (0,)


async def _for_ever() -> None:
    await asyncio.Event().wait()
