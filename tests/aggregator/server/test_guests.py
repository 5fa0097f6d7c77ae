"""Guests of a handover: whom the service lets in beside the members, and what they may do."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.server.connection import Connection
from aggregator.server.leases import Leases
from protocol.messages.ceremony import Join
from protocol.messages.handover import Arrival, Content
from protocol.signing import public_bytes
from protocol.wire.channel import SealedChannel
from protocol.wire.frames import (
    Accepted,
    BlobAbsent,
    BlobChunk,
    BlobOffer,
    BlobRequest,
    Entries,
    StatusReport,
    StatusRequest,
    Submit,
    Subscribe,
    Welcome,
)
from protocol.wire.handshake import Introduced
from tests.stage.caller import Line, Service, serving, until
from tests.stage.desk import Desk, code
from tests.stage.handover.at_desk import handing_over
from tests.stage.handover.posted import PostedHandover
from tests.stage.handover.rosters import guest_key
from tests.stage.toy import next_post

TO_GUESTS: list[int | str] = ["G1", 3, 1, "G2"]  # 4 and 5 on the board of three
G1, G2, G3 = (guest_key(f"G{k}") for k in (1, 2, 3))


def silent_guests(handed: PostedHandover, sender: int, content: Content) -> Content | None:
    return content if sender <= 3 else None


def dead(desk: Desk) -> PostedHandover:
    """A handover to G1 and G2 that never arrive; the members void it, and thaw."""
    handed = handing_over(desk, TO_GUESTS, 3)
    handed.tamper = silent_guests
    assert handed.run().view.attempt.is_thawed
    return handed


@contextlib.asynccontextmanager
async def guest(
    service: Service, number: int, key: Ed25519PrivateKey, instance: bytes | None = None
) -> AsyncIterator[Line]:
    async with service.stranger() as line:
        answer = await line.introduce(number, key, instance)
        assert isinstance(answer, Welcome), answer
        yield line


async def refusal(service: Service, number: int, key: Ed25519PrivateKey) -> str:
    async with service.stranger() as line:
        return code(await line.introduce(number, key))


async def play(service: Service, act: Callable[[], Any]) -> Any:
    """Let members act, in the thread where the service takes what is sent."""
    return await service.server._core.do(act)


# ── who gets in ──


async def test_nobody_is_a_guest_before_a_handover_is_proposed(desk: Desk) -> None:
    desk.certify()
    async with serving(desk) as service, service.stranger() as line:
        answer = await line.introduce(4, G1)
        assert code(answer) == "unknown-identity"
        assert "no handover under way" in answer.reason


async def test_a_guest_reads_the_board_arrives_and_is_pushed_what_is_new(desk: Desk) -> None:
    async with serving(desk) as service:
        handed = await play(service, lambda: handing_over(desk, TO_GUESTS, 3))
        await until(lambda: service.server._callers.guest_key(4))
        async with guest(service, 4, G1) as line:
            await line.say(Subscribe(0))
            assert await line.entries(len(desk.all_entries())) == desk.all_entries()
            said = handed.members[4].due()
            assert isinstance(said, Arrival)
            post = next_post(G1, handed.table.board, handed.session, 4, said)
            await line.say(Submit(post))
            answers = [await line.hear(), await line.hear()]
            assert Accepted(post.digest, handed.table.board.head.position) in answers
            assert any(isinstance(answer, Entries) for answer in answers)
        assert handed.view.attempt.arrived == {4}


async def test_a_guest_of_a_board_that_was_read_again_is_let_in(desk: Desk) -> None:
    handing_over(desk, TO_GUESTS, 3)
    desk.restart()
    async with serving(desk) as service, guest(service, 5, G2) as line:
        assert isinstance(await line.ask(Subscribe(0)), Entries)


async def test_nobody_else_has_a_guests_number(desk: Desk) -> None:
    handing_over(desk, TO_GUESTS, 3)
    async with serving(desk) as service:
        assert await refusal(service, 4, G2) == "bad-signature"
        assert await refusal(service, 4, desk.federation.keys[2]) == "bad-signature"
        assert await refusal(service, 6, G3) == "unknown-identity"
        assert await refusal(service, 2, G1) == "bad-signature"


async def test_a_guest_still_comes_in_once_its_federation_has_the_key(desk: Desk) -> None:
    assert handing_over(desk, TO_GUESTS, 3).run().view.attempt.is_settled
    async with serving(desk) as service, guest(service, 4, G1) as line:
        assert isinstance(await line.ask(Subscribe(0)), Entries)


async def test_two_processes_of_a_guest_do_not_speak_at_once(desk: Desk) -> None:
    handing_over(desk, TO_GUESTS, 3)
    async with serving(desk) as service, guest(service, 4, G1, b"i" * 16) as old:
        assert await refusal(service, 4, G1) == "identity-in-use"
        async with guest(service, 4, G1, b"i" * 16) as new:
            await old.end()
            assert isinstance(await new.ask(Subscribe(0)), Entries)


async def test_a_guest_is_called_by_its_name(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "quorate")
    async with serving(desk) as service:
        handed = await play(service, lambda: handing_over(desk, TO_GUESTS, 3))
        await play(service, lambda: handed.speak(4))
        async with guest(service, 4, G1):
            pass
        await until(lambda: "G1 (guest): disconnected" in caplog.text)
    assert "handover/1: proposal by H1" in caplog.text
    assert "handover/1: arrive by G1 (guest)" in caplog.text


# ── what it may do ──


async def test_a_guest_uploads_nothing_and_may_ask_for_blobs_and_for_the_status(desk: Desk) -> None:
    handing_over(desk, TO_GUESTS, 3)
    async with serving(desk) as service, guest(service, 4, G1) as line:
        assert code(await line.ask(BlobOffer(b"b" * 32, 5_000))) == "not-allowed"
        assert code(await line.ask(BlobChunk(b"b" * 32, 5_000, 0, b"x"))) == "not-allowed"
        assert await line.ask(BlobRequest(b"b" * 32, 0)) == BlobAbsent(b"b" * 32)
        assert isinstance(await line.ask(StatusRequest()), StatusReport)
    assert not list(desk.folder.rglob("*" + (b"b" * 32).hex() + "*"))


def test_a_guest_speaks_in_its_own_handover_alone(desk: Desk) -> None:
    first = dead(desk)
    old = next_post(G1, first.table.board, first.session, 4, Arrival(bytes(32), (), b"k" * 1216))
    second = handing_over(desk, TO_GUESTS, 3)
    elsewhere = next_post(G1, second.table.board, "ceremony/2", 4, Join(b"k", bytes(32)))
    said = second.members[1].due()
    assert said is not None
    members = next_post(G1, second.table.board, second.session, 1, said)
    for post in (old, elsewhere, members):
        before = desk.service.board.head.position
        assert code(desk.ask(4, Submit(post))) == "not-allowed"
        assert desk.service.board.head.position == before
    assert second.speak(4) is not None


# ── whose handover is over ──


async def test_a_guest_of_a_thawed_handover_sees_the_thaw_and_goes_when_another_is_proposed(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "quorate")
    async with serving(desk) as service:
        handed = await play(service, lambda: handing_over(desk, TO_GUESTS, 3))
        handed.tamper = silent_guests
        async with guest(service, 4, G1) as line, guest(service, 5, G2) as stays:
            await line.say(Subscribe(0))
            await play(service, handed.run)
            await line.entries(len(desk.all_entries()))  # the thaw among them
            await play(service, lambda: handing_over(desk, ["G3", 3, 1, "G2"], 3))
            await line.end()
            assert isinstance(await stays.ask(Subscribe(0)), Entries), "its number is its own still"
            async with guest(service, 4, G3) as new:
                assert await refusal(service, 4, G1) == "bad-signature"
                assert isinstance(await new.ask(Subscribe(0)), Entries)
    assert "G1 (guest): disconnected (no handover names it any more)" in caplog.text


async def test_a_guest_of_a_refresh_there_is_none(desk: Desk) -> None:
    dead(desk)
    handing_over(desk)
    async with serving(desk) as service:
        assert await refusal(service, 4, G1) == "unknown-identity"


async def test_a_guest_whose_number_goes_while_it_takes_its_place_is_turned_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    handing_over(desk, TO_GUESTS, 3)
    async with serving(desk) as service:
        server = service.server
        take = server._leases.take

        async def slowly(connection: Connection) -> None:
            await take(connection)
            server._callers._guests = {4: public_bytes(G3)}

        monkeypatch.setattr(server._leases, "take", slowly)
        assert await refusal(service, 4, G1) == "unknown-identity"
        await until(lambda: not server.connected())
        assert not server._connections


async def test_who_had_a_number_before_takes_no_place_of_the_guest_that_has_it() -> None:
    """Even if it was let in before, and was slow: the other one stays connected."""
    leases = Leases(0.1)
    slow, holder = (connection(key) for key in (G1, G3))
    await leases.take(holder)
    await leases.take(slow)
    assert not holder.socket.transport.abort.called
    leases.release(slow)
    assert leases.holders == {4: holder}


def connection(key: Ed25519PrivateKey) -> Any:
    channel = SealedChannel(bytes(32), bytes(32))
    introduced = Introduced(4, public_bytes(key), b"i" * 16, "member", 1, channel, b"")
    return Connection(Mock(), introduced, "G", "noon", 1.0)
