"""Who is let in: strangers, and members with one identity twice, over real sockets."""

import asyncio
from dataclasses import replace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.exceptions import ConnectionClosed

from protocol.encoding import encode
from protocol.messages.ceremony import Join
from protocol.wire.channel import MAX_SEALED_BYTES
from protocol.wire.frames import (
    Entries,
    StatusReport,
    StatusRequest,
    Submit,
    Subscribe,
    decode_challenge,
)
from tests.stage.caller import HOST, QUICK, serving, until
from tests.stage.desk import Desk, code

SESSION = "ceremony/1"
JOIN = Join(b"k", bytes(32))


# ── strangers ──


async def test_nothing_is_accepted_before_the_challenge_is_answered(desk: Desk) -> None:
    async with serving(desk) as service:
        for frame in (Subscribe(0), StatusRequest(), Submit(desk.sign(1, SESSION, JOIN))):
            async with service.stranger() as line:
                decode_challenge(await line.challenged())
                await line.socket.send(encode(frame))
                assert await line.end() == (1008, "malformed")
        assert desk.service.board.head.position == 0
        assert await service.goes_on()


@pytest.mark.parametrize("garbage", [b"", b"\x00" * 40, b"\xff" * 1000, "text", b"\x91\xa5hello"])
async def test_garbage_before_authentication_ends_that_connection_alone(
    desk: Desk, garbage: bytes | str
) -> None:
    async with serving(desk) as service, service.stranger() as line:
        await line.challenged()
        await line.socket.send(garbage)
        assert await line.end() == (1008, "malformed")
        assert await service.goes_on()


@pytest.mark.parametrize(
    "greeting", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00rubbish", b""]
)
async def test_bytes_that_are_no_tls_do_not_disturb_anyone(desk: Desk, greeting: bytes) -> None:
    async with serving(desk) as service:
        _, writer = await asyncio.open_connection(HOST, service.port)
        writer.write(greeting)
        assert await service.goes_on()
        writer.close()


async def test_a_frame_that_is_too_large_ends_its_connection_alone(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as line:
        await line.socket.send(b"x" * (MAX_SEALED_BYTES + 1))
        code, _ = await line.end()
        assert code == 1009
        assert await service.goes_on()


@pytest.mark.parametrize("number", [0, 4, 16])
async def test_a_number_outside_the_roster_is_an_unknown_identity(desk: Desk, number: int) -> None:
    async with serving(desk) as service, service.stranger() as line:
        answer = await line.introduce(number, Ed25519PrivateKey.generate())
        assert code(answer) == "unknown-identity"
        assert await line.end() == (1008, "unknown-identity")


async def test_a_key_that_is_not_in_the_roster_is_turned_away(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(desk) as service, service.stranger() as line:
        answer = await line.introduce(2, Ed25519PrivateKey.generate())
        assert code(answer) == "bad-signature"
        assert "member 2" in answer.reason
        assert "H2" not in answer.reason, "a stranger learns no name"
        await line.end()
        assert not service.server.connected()
    assert any("refused" in record.getMessage() for record in caplog.records)


async def test_a_hello_heard_elsewhere_opens_nothing(desk: Desk) -> None:
    async with serving(desk) as service:
        async with service.stranger() as first:
            heard = await first.challenged()
        async with service.stranger() as line:
            with pytest.raises(ConnectionClosed):
                await line.introduce(1, desk.federation.keys[1], challenge=heard)
            assert await line.end() == (1008, "malformed")


async def test_a_frame_that_was_not_sealed_ends_its_connection_alone(desk: Desk) -> None:
    async with serving(desk) as service:
        for data in (encode(Subscribe(0)), b"", "text"):
            async with service.member(1) as line:
                await line.socket.send(data)
                assert await line.end() == (1008, "broken")
        assert await service.goes_on()


async def test_a_frame_that_is_sent_twice_ends_its_connection_alone(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as line:
        sealed = line.channel.seal(encode(Submit(desk.sign(1, SESSION, JOIN))))
        await line.socket.send(sealed)
        await line.socket.send(sealed)
        assert await line.end() == (1008, "broken")
        assert desk.service.board.head.position == 1
        assert await service.goes_on()


# ── identities ──


async def test_a_second_process_with_one_identity_is_refused_while_the_first_lives(
    desk: Desk,
) -> None:
    async with serving(desk) as service, service.member(1) as first:
        since = service.server.connected()[1]
        async with service.stranger() as second:
            answer = await second.introduce(1, desk.federation.keys[1])
            assert code(answer) == "identity-in-use"
            assert since in answer.reason
            await second.end()
        assert isinstance(await first.ask(Subscribe(0)), Entries)
        assert set(service.server.connected()) == {1}


async def test_a_process_that_comes_back_replaces_its_own_old_connection(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1, b"i" * 16) as old:
        async with service.member(1, b"i" * 16) as new:
            await old.end()
            assert isinstance(await new.ask(Subscribe(0)), Entries)
            assert set(service.server.connected()) == {1}
        await until(lambda: not service.server.connected())


async def test_a_process_that_answers_no_ping_loses_its_place(desk: Desk) -> None:
    async with serving(desk) as service, service.member(1) as dead:
        dead.socket.transport.pause_reading()
        async with service.member(1) as living:
            assert isinstance(await living.ask(Subscribe(0)), Entries)
            dead.socket.transport.resume_reading()
            await dead.end()
            assert set(service.server.connected()) == {1}


async def test_whoever_asks_for_the_status_takes_no_place_and_may_do_no_more(desk: Desk) -> None:
    async with (
        serving(desk) as service,
        service.member(1),
        service.member(1, None, "status") as line,
    ):
        answer = await line.ask(StatusRequest())
        assert isinstance(answer, StatusReport)
        members = msgspec.json.decode(answer.report)["members"]
        assert [bool(m["connected_since"]) for m in members] == [True, False, False]
        assert code(await line.ask(Submit(desk.sign(1, SESSION, JOIN)))) == "not-allowed"


async def test_a_member_asks_for_the_status_on_a_few_connections_only(desk: Desk) -> None:
    async with (
        serving(desk, replace(QUICK, questions=1)) as service,
        service.member(1, None, "status"),
        service.stranger() as line,
    ):
        assert code(await line.introduce(1, desk.federation.keys[1], purpose="status")) == "busy"
