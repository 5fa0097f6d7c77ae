"""What members say and the service's own troubles, over real sockets."""

import asyncio
import contextlib
import logging
import socket as sockets
import threading
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from aggregator.errors import StoreDamaged, StoreFull
from aggregator.server.server import CannotListen, Server
from aggregator.status.file import read_status
from protocol.board.post import decode_entry
from protocol.encoding import encode
from protocol.messages.attachment import Attachment, attach, blob_name
from protocol.messages.ceremony import Join, Step
from protocol.wire.frames import (
    CHUNK_BYTES,
    MAX_FRAME_BYTES,
    REQUESTED_BYTES,
    Accepted,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    Entries,
    Hello,
    StatusReport,
    StatusRequest,
    Submit,
    Subscribe,
    Welcome,
)
from tests.stage.caller import HOST, PATIENCE, QUICK, Line, cards_of, server_tls, serving, until
from tests.stage.desk import Desk, code

SESSION = "ceremony/1"
JOIN = Join(b"k", bytes(32))


def fill(desk: Desk, posts: int) -> int:
    """Put large posts on the board; how many bytes of entries it has then."""
    for number in range(posts):
        attachments = tuple(
            Attachment(to, 4096, a.digest, a.data)
            for to in range(4)
            for a in [attach(bytes([number, to]) * 2048)]
        )
        desk.deal(batch := number // 20)
        desk.say(1 + number % 3, "ceremony/1", Step("units", batch, number, attachments))
    return sum(map(len, desk.all_entries()))


# ── what members say ──


async def test_what_one_member_posts_is_pushed_to_the_others(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as one, service.member(2) as two:
        assert await two.ask(Subscribe(0)) == Entries((), 0)
        post = desk.sign(1, SESSION, JOIN)
        assert await one.ask(Submit(post)) == Accepted(post.digest, 1)
        (entry,) = await two.entries(1)
        assert decode_entry(entry).post == post


async def test_a_post_sent_again_is_accepted_at_its_place(desk: Desk) -> None:
    post = desk.sign(1, SESSION, JOIN)
    async with serving(desk) as service:
        for _ in range(2):
            async with service.member(1) as line:
                assert await line.ask(Submit(post)) == Accepted(post.digest, 1)
    assert desk.service.board.head.position == 1


async def test_a_welcome_names_the_head(desk: Desk) -> None:
    desk.say(1, SESSION, JOIN)
    async with serving(desk) as service, service.stranger() as line:
        answer = await line.introduce(1, desk.federation.keys[1])
        assert answer == Welcome(*desk.service.board.head)


async def test_every_subscribe_is_answered_even_if_nothing_is_new(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as line:
        for _ in range(3):
            assert await line.ask(Subscribe(0)) == Entries((), 0)


async def test_a_long_board_comes_in_frames_that_fit(desk: Desk) -> None:
    size = fill(desk, 100)
    assert size > MAX_FRAME_BYTES
    async with serving(desk) as service, service.member(1) as line:
        await line.say(Subscribe(0))
        assert await line.entries(len(desk.all_entries())) == desk.all_entries()


async def test_a_member_that_does_not_read_is_dropped(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "quorate")
    fill(desk, 60)
    async with serving(desk, replace(QUICK, send_seconds=0.2)) as service:
        async with service.member(1) as line:
            line.socket.transport.pause_reading()
            with contextlib.suppress(ConnectionClosed):
                for _ in range(30):  # more than all buffers on the way can hold
                    await line.say(Subscribe(0))
                    await asyncio.sleep(0.02)
            await until(lambda: not service.server.connected())
            line.socket.transport.abort()
        assert await service.goes_on()
    assert "H1: disconnected (it does not read)" in caplog.text


async def test_garbage_from_a_member_ends_its_connection_alone(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as line:
        await line.socket.send(line.channel.seal(b"\x93garbage"))
        assert code(await line.hear()) == "malformed"
        assert await line.end() == (1008, "malformed")
        assert await service.goes_on()


async def test_a_second_hello_is_refused(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as line:
        await line.socket.send(line.channel.seal(encode(Hello(bytes(32), b""))))
        assert code(await line.hear()) == "malformed"
        assert await line.end() == (1008, "malformed")


async def test_an_upload_goes_on_where_the_link_broke_and_another_member_fetches_it(
    desk: Desk,
) -> None:
    blob = bytes(range(256)) * 10_000
    name, size = blob_name(blob), len(blob)
    async with serving(desk) as service:
        async with service.member(1) as line:
            assert await line.ask(BlobOffer(name, size)) == BlobHave(name, 0, size, True)
            chunk = BlobChunk(name, size, 0, blob[:CHUNK_BYTES])
            assert await line.ask(chunk) == BlobHave(name, CHUNK_BYTES, size, False)
        async with service.member(1) as line:
            answer = await line.ask(BlobOffer(name, size))
            assert answer == BlobHave(name, CHUNK_BYTES, size, True)
            for start in range(CHUNK_BYTES, size, CHUNK_BYTES):
                chunk = BlobChunk(name, size, start, blob[start : start + CHUNK_BYTES])
                answer = await line.ask(chunk)
            assert answer == BlobHave(name, size, size, False)
        async with service.member(2) as line:
            assert await fetch(line, name) == blob


async def fetch(line: Line, name: bytes) -> bytes:
    data, until = b"", 0
    while True:
        if len(data) >= until:
            until += REQUESTED_BYTES
            await line.say(BlobRequest(name, len(data)))
        chunk = await line.hear()
        assert isinstance(chunk, BlobChunk)
        data += chunk.data
        if len(data) == chunk.size:
            return data


# ── the service's own troubles ──


def broken(error: Exception) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


async def test_nothing_is_accepted_while_the_disk_is_full_and_all_is_when_it_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    post = desk.sign(1, SESSION, JOIN)
    async with serving(desk) as service, service.member(1) as line:
        with monkeypatch.context() as patch:
            error = StoreFull(desk.folder, "no space left on device")
            patch.setattr(desk.service, "receive", broken(error))
            for _ in range(20):
                assert code(await line.ask(Submit(post))) == "busy"
        assert caplog.text.count("no space left on device") == 1
        assert await line.ask(Submit(post)) == Accepted(post.digest, 1)


async def test_a_damaged_store_ends_the_service(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(desk) as service, service.member(1) as line:
        waiting = asyncio.create_task(service.server.until(asyncio.Event()))
        error = StoreDamaged("blob 00", "its bytes do not have its name")
        monkeypatch.setattr(desk.service, "receive", broken(error))
        await line.say(BlobRequest(b"b" * 32, 0))
        with pytest.raises(StoreDamaged, match="blob 00"):
            async with asyncio.timeout(PATIENCE):
                await waiting
        await line.end()


async def test_a_mistake_of_ours_costs_one_connection_and_one_line_of_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(desk) as service, service.member(1) as line:
        monkeypatch.setattr(desk.service, "receive", broken(ZeroDivisionError("oops")))
        await line.say(Submit(desk.sign(1, SESSION, JOIN)))
        await line.end()
        assert await service.goes_on()
    lines = [m for m in map(str, caplog.messages) if "ZeroDivisionError: oops" in m]
    assert len(lines) == 1
    calls = [call.rpartition(" ")[2] for call in lines[0].partition("; at ")[2].split(" < ")]
    assert (calls[0], calls[-1]) == ("fail", "_converse"), "the calls that led to it"
    assert "\n" not in lines[0]


async def test_a_round_that_cannot_be_closed_is_told_once_and_stops_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(desk.service, "tick", broken(RuntimeError("odd round")))
    async with serving(desk) as service:
        await until(lambda: "odd round" in caplog.text)
        await asyncio.sleep(0.1)
        assert await service.goes_on()
    assert caplog.text.count("odd round") == 1


async def test_a_long_sum_keeps_nobody_from_being_let_in_or_hearing_entries(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.say(1, SESSION, JOIN)
    begun, finish = threading.Event(), threading.Event()

    def long_sum() -> bool:
        begun.set()
        return finish.wait(20)

    monkeypatch.setattr(desk.service, "tick", long_sum)
    async with serving(desk) as service:
        await until(begun.is_set)
        async with service.member(2) as line:
            await line.say(Subscribe(0))
            assert len(await line.entries(1)) == 1
        finish.set()


async def test_due_rounds_open_without_anybody_asking(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as line:
        await line.ask(Subscribe(0))
        study = desk.found_training()
        desk.state(study.round(0), desk.federation.members)
        count = 3 * len(desk.federation.members) + 2  # certificates, plan, approvals, statements
        kinds = [decode_entry(e).post.post for e in await line.entries(count)]
        assert len(kinds) == count
        assert desk.opening("study/cardio/1").length == 5


async def test_the_report_on_disk_follows_who_is_connected(desk: Desk) -> None:
    def present() -> list[bool]:
        report: Any = read_status(desk.folder)
        return [bool(m["connected_since"]) for m in report["members"]] if report else []

    async with serving(desk) as service:
        async with service.member(2):
            await until(lambda: present() == [False, True, False])
        await until(lambda: present() == [False, False, False])


async def test_a_port_that_is_taken_is_said_to_be(desk: Desk) -> None:
    with sockets.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as caught:
            await listen(desk, HOST, port)
    assert caught.value.in_use
    assert caught.value.port == port


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b", "n" * 300, "\udcff"], ids=ascii)
async def test_an_address_of_another_machine_is_told_from_a_taken_port(
    desk: Desk, host: str
) -> None:
    with pytest.raises(CannotListen) as caught:
        await listen(desk, host, 0)
    assert not caught.value.in_use


async def listen(desk: Desk, host: str, port: int) -> None:
    server = Server(desk.service, cards_of(desk), None, QUICK)
    async with server.listening(host, port, server_tls()):
        pass


async def test_the_service_ends_although_members_and_strangers_are_there(desk: Desk) -> None:
    async with asyncio.timeout(PATIENCE), contextlib.AsyncExitStack() as callers:
        async with serving(desk) as service:
            member = await callers.enter_async_context(service.member(1))
            stranger = await callers.enter_async_context(service.stranger())
            await stranger.challenged()
        assert (await member.end())[0] == 1001


async def test_a_report_with_very_many_rounds_still_fits_into_a_frame(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = [{"session": f"study/cardio/{k}", "filler": "x" * 1000} for k in range(2000)]
    found = {"rounds": rounds, "rounds_not_shown": 0}
    monkeypatch.setattr(desk.service, "status", lambda *about: dict(found))
    async with serving(desk) as service, service.member(1, None, "status") as line:
        answer = await line.ask(StatusRequest())
    assert isinstance(answer, StatusReport)
    assert len(encode(answer)) <= MAX_FRAME_BYTES
    report = msgspec.json.decode(answer.report)
    assert report["rounds"] == rounds[report["rounds_not_shown"] :]


async def test_no_secret_and_no_traceback_reaches_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "quorate")
    async with serving(desk) as service:
        async with service.stranger() as line:
            await line.challenged()
            await line.socket.send(b"\x00garbage")
            await line.end()
        assert await service.goes_on()
    assert caplog.records
    assert all(record.exc_info is None for record in caplog.records)
