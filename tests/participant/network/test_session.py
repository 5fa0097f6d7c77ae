"""An agent over real sockets: the pinned key, the handshake, and links that come and go."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.agent.agent import Agent
from participant.agent.inbox import Inbox
from participant.agent.task import Task
from participant.ceremony.task import CeremonyTask
from participant.cli.work.foreground import Foreground
from participant.cli.work.working import run
from participant.errors import (
    ForeignAggregator,
    Interrupted,
    NoSeed,
    OutOfTime,
    RejectedByAggregator,
    Unreachable,
    WrongCertificate,
)
from participant.home.ceremony_secrets import SecretStore
from participant.home.vault import Vault
from participant.network import session as sessions
from participant.network.link import Caller, open_link
from participant.network.session import Notices, Session
from protocol.board.draft import Draft
from protocol.errors import Malformed
from protocol.wire.channel import MAX_SEALED_BYTES
from protocol.wire.frames import Accepted, Rejected, Welcome
from tests.stage.consortium import CHEAP, Consortium, found, lost_into, run_all
from tests.stage.link.relay import make_tls_key
from tests.stage.toy import toy_federation


@pytest.fixture
def consortium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Consortium:
    monkeypatch.setattr(sessions, "_FIRST_WAIT", 0.02)
    return found(tmp_path)


def epochs(consortium: Consortium) -> set[bytes]:
    return {consortium.member(i).held_key()[0].digest for i in (1, 2, 3)}


def test_three_hospitals_make_a_key_over_links_that_keep_breaking(consortium: Consortium) -> None:
    consortium.relay.drop_after = 9
    with consortium.relay.running() as relay:
        working = [consortium.session(i) for i in (1, 2, 3)]
        assert run_all(working) == [None, None, None]
    assert len(epochs(consortium)) == 1
    assert relay.connections > 6
    assert all(s.traffic.up > 10_000 and s.traffic.down > 10_000 for s in working)
    instances = {(h.member, h.instance) for h in relay.hellos}
    assert len(instances) == 3, "an instance is a process, not a connection"


def test_a_session_waits_for_an_aggregator_that_is_down_and_says_so_once(
    consortium: Consortium,
) -> None:
    reasons: list[str] = []
    working = [consortium.session(i, notices=lost_into(reasons)) for i in (1, 2, 3)]
    ends: list[Any] = []
    thread = threading.Thread(target=lambda: ends.extend(run_all(working)))
    thread.start()
    while len(reasons) < 3:
        time.sleep(0.01)
    time.sleep(0.5)
    assert reasons == ["connection refused"] * 3
    with consortium.relay.running():
        thread.join(60)
    assert ends == [None, None, None]


def test_who_watches_can_look_on_while_there_is_no_link(consortium: Consortium) -> None:
    looks: list[str] = []
    session = consortium.session(1, time_limit=0.5)
    session.notices = Notices(moved=lambda: looks.append(session.waiting.kind))
    run_all([session])
    assert set(looks) == {"link"}


def test_another_certificate_ends_the_session_before_anything_is_sent(
    consortium: Consortium, tmp_path: Path
) -> None:
    consortium.relay.tls = make_tls_key(tmp_path / "other")
    with consortium.relay.running() as relay:
        (end,) = run_all([consortium.session(1)], seconds=10)
    assert isinstance(end, WrongCertificate)
    assert end.expected == consortium.tls.pin
    assert end.found == relay.tls.pin
    assert (relay.connections, relay.hellos) == (0, [])


def test_an_aggregator_of_other_terms_is_not_answered(consortium: Consortium) -> None:
    consortium.relay.terms = toy_federation(3, 2, name="Other").terms
    with consortium.relay.running() as relay:
        (end,) = run_all([consortium.session(1)], seconds=10)
    assert isinstance(end, ForeignAggregator)
    assert relay.hellos == []


def test_who_does_not_have_the_aggregators_key_is_told_nothing(consortium: Consortium) -> None:
    reasons: list[str] = []
    consortium.relay.key = Ed25519PrivateKey.generate()
    with consortium.relay.running() as relay:
        session = consortium.session(1, time_limit=1.0, notices=lost_into(reasons))
        (end,) = run_all([session], seconds=10)
    assert isinstance(end, OutOfTime)
    assert reasons == ["who answers there does not have the key that the terms name"]
    assert relay.hellos == []


@pytest.mark.parametrize("code", ["unknown-identity", "bad-signature", "identity-in-use"])
def test_a_rejected_hello_ends_the_session_at_once(consortium: Consortium, code: Any) -> None:
    consortium.relay.answer_hello = Rejected(code, "since 09:00")
    with consortium.relay.running() as relay:
        (end,) = run_all([consortium.session(1)], seconds=10)
    assert isinstance(end, RejectedByAggregator)
    assert (end.code, end.reason) == (code, "since 09:00")
    assert relay.connections == 1


def test_a_guest_waits_for_the_handover_that_it_takes_part_in(consortium: Consortium) -> None:
    reasons: list[str] = []
    with consortium.relay.running() as relay:
        own = consortium.member(1)
        guest = replace(own, index=consortium.terms.n_members + 1)
        key = guest.identity.signing_key
        task = CeremonyTask(guest.terms, guest.index, guest.secrets)
        agent = Agent(guest.terms, guest.index, key, guest.storage, task)
        session = Session(agent, key, guest.address, lost_into(reasons), 1.0)
        (end,) = run_all([session], seconds=10)
    assert isinstance(end, OutOfTime)
    assert reasons == ["no handover under way names this hospital"]
    assert relay.connections > 1


def test_a_busy_aggregator_is_tried_again(consortium: Consortium) -> None:
    reasons: list[str] = []
    consortium.relay.answer_hello = Rejected("busy", "too many connections")
    with consortium.relay.running() as relay:
        session = consortium.session(1, time_limit=1.0, notices=lost_into(reasons))
        (end,) = run_all([session], seconds=10)
    assert isinstance(end, OutOfTime)
    assert reasons == ["it is busy: too many connections"]
    assert relay.connections > 2


@pytest.mark.parametrize(
    "said",
    [b"", b"\xff\xff", "text", b"\x00" * (MAX_SEALED_BYTES + 1), Accepted(bytes(32), 1)],
    ids=["empty", "garbage", "text", "too large", "out of turn"],
)
def test_what_is_no_challenge_is_not_answered(consortium: Consortium, said: Any) -> None:
    reasons: list[str] = []
    consortium.relay.say_first = said
    with consortium.relay.running() as relay:
        session = consortium.session(1, time_limit=1.0, notices=lost_into(reasons))
        (end,) = run_all([session], seconds=10)
    assert isinstance(end, OutOfTime)
    assert reasons == ["who answers there does not have the key that the terms name"]
    assert relay.hellos == []


@pytest.mark.parametrize("flood", [{"pings": 40}, {"say_first": [b"a"] * 40}])
async def test_an_aggregator_that_floods_is_hung_up_on(
    consortium: Consortium, flood: dict[str, Any]
) -> None:
    session = consortium.session(1)
    caller = Caller(1, session.key, bytes(16))
    for name, value in flood.items():
        setattr(consortium.relay, name, value)
    with consortium.relay.running() as relay, pytest.raises(Unreachable, match="was closed"):
        async with open_link(session.agent.terms, consortium.card, caller, session.traffic):
            raise AssertionError("it was let in")
    assert relay.hellos == []


class NoLink:
    """Nothing is sent on it."""


async def test_what_waits_is_decoded_when_it_is_taken(consortium: Consortium) -> None:
    inbox = Inbox()
    await inbox.put(b"no frame")
    with pytest.raises(Malformed):
        await consortium.session(1)._take(inbox, NoLink())  # type: ignore[arg-type]


async def test_who_is_stopped_while_a_link_is_lost_does_not_look_for_another(
    consortium: Consortium,
) -> None:
    class Lost:
        """Its end, and the agent's, come in one moment."""

        welcome = Welcome(0, bytes(32))

        async def receive_bytes(self) -> bytes:
            try:
                return await asyncio.Future()
            finally:
                working.cancel()

        async def send(self, frame: object) -> None:
            await asyncio.sleep(0)  # the other half listens
            raise Unreachable("wss://localhost", "gone")

    session = consortium.session(1)
    working = asyncio.create_task(session._work_on(Lost()))  # type: ignore[arg-type]
    await asyncio.wait([working])
    assert working.cancelled()


def test_the_time_limit_names_who_has_not_joined(consortium: Consortium) -> None:
    with consortium.relay.running():
        ends = run_all([consortium.session(i, time_limit=4.0) for i in (1, 3)], seconds=20)
    for end in ends:
        assert isinstance(end, OutOfTime)
        assert end.waiting.members == (2,)
        assert end.waiting.kind == "join"


def test_the_time_limit_blames_no_member_while_the_aggregator_is_out_of_reach(
    consortium: Consortium,
) -> None:
    (end,) = run_all([consortium.session(1, time_limit=1.5)], seconds=20)
    assert isinstance(end, OutOfTime)
    assert end.waiting.members == (0,)
    assert end.waiting.kind == "link"
    assert "connection refused" in end.waiting.facts["reason"]


class Idle(Task):
    """A task that is never done, and counts how often it was asked."""

    done = False
    asked = 0

    def due(self) -> Draft | None:
        self.asked += 1
        return None


class Sleeper(Idle):
    """It computes for longer than anybody wants to wait."""

    begun: Callable[[], None] = staticmethod(lambda: None)

    def due(self) -> Draft | None:
        self.begun()
        time.sleep(8)
        return None


def test_a_long_computation_does_not_hold_up_the_end(consortium: Consortium) -> None:
    with consortium.relay.running():
        started = time.monotonic()
        (end,) = run_all([consortium.session(1, Sleeper(), time_limit=1.0)])
    assert isinstance(end, OutOfTime)
    assert time.monotonic() - started < 7  # it computes for 8 s


def test_in_the_main_thread_too_it_does_not_and_its_signals_are_the_callers_again(
    consortium: Consortium,
) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with consortium.relay.running():
        foreground, started = Foreground(), time.monotonic()
        session = consortium.session(1, Sleeper(), time_limit=1.0, steps=foreground)
        with pytest.raises(OutOfTime):
            foreground.run(session.work)
    assert time.monotonic() - started < 7  # it computes for 8 s
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_session_that_ran_out_of_time_works_when_it_is_run_again(consortium: Consortium) -> None:
    task = Idle()
    session = consortium.session(1, task, time_limit=1.5)
    with consortium.relay.running():
        for _ in range(2):
            before = task.asked
            with pytest.raises(OutOfTime):
                asyncio.run(session.work())
            assert task.asked > before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_long_computation(consortium: Consortium, number: signal.Signals) -> None:
    sleeper = Sleeper()
    sleeper.begun = lambda: os.kill(os.getpid(), number)
    hospital: Any = SimpleNamespace(steps=Foreground(), is_sending=False)
    with consortium.relay.running(), pytest.raises(Interrupted) as caught:
        run(consortium.session(1, sleeper, steps=hospital.steps).work, hospital)
    assert caught.value.signal == number


def test_a_ceremony_begun_with_a_seed_that_is_lost_stops_and_blames_nobody(
    consortium: Consortium, tmp_path: Path
) -> None:
    with consortium.relay.running():
        run_all([consortium.session(1, time_limit=3.0)], seconds=20)
        member = consortium.member(1)
        assert member.vault.has_seed("ceremony/1")
        empty = Vault(tmp_path / "new vault", member.vault.federation, 1, CHEAP)
        task = CeremonyTask(member.terms, 1, SecretStore(empty, member.passphrase))
        (end,) = run_all([consortium.session(1, task, time_limit=5.0)], seconds=20)
    assert isinstance(end, NoSeed)
    assert end.session == "ceremony/1"
