"""An agent that stays: what it does by itself, and what it does for commands."""

import asyncio
from pathlib import Path

import pytest

from participant.disk import connect
from participant.door import place
from participant.errors import AlreadyRunning, SaidByAgent, WrongPassphrase
from participant.home.membership import Membership
from participant.home.vault import Vault
from participant.network import Notices
from protocol.messages.ceremony import Abort, Join
from protocol.messages.check import CheckPart, CheckRequest
from protocol.wire.frames import Accepted, Submit
from tests.participant.service.conftest import Served, Serves
from tests.stage.consortium import Consortium
from tests.stage.toy import next_post


async def waits_for_others(first: Served) -> None:
    """It has joined the ceremony, alone."""
    await first.until(lambda: first.log.begun)
    async with asyncio.timeout(60):
        while (await first.hospital.standing()).tasks[0].waits.members != (2, 3):
            await asyncio.sleep(0.01)


async def test_agents_that_stay_make_the_key_by_themselves(serves: Serves) -> None:
    async with serves(1, 2, 3) as all_served:
        for served in all_served:
            await served.until(lambda s=served: ("ceremony", "ceremony/1", None) in s.log.ends)
            assert served.log.states == ["passphrase", "running"]
        assert all(served.hospital.has_key for served in all_served)
    assert all(served.log.states[-1] == "stopping" for served in all_served)
    assert not any(served.log.left for served in all_served)


async def test_a_seed_that_a_kill_left_beside_its_key_share_is_destroyed(
    serves: Serves, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(Vault, "forget_seed", lambda vault, session: None)
        async with serves(1, 2, 3) as all_served:
            for served in all_served:
                await served.until(lambda s=served: ("ceremony", "ceremony/1", None) in s.log.ends)
    vault = all_served[0].consortium.member(1).vault
    assert vault.has_seed("ceremony/1")
    async with serves(1) as (again,):
        await again.until(lambda: not vault.has_seed("ceremony/1"))


async def test_a_command_watches_the_ceremony_that_is_under_way(serves: Serves) -> None:
    async with serves(1, 2, 3) as (first, *_):
        hospital, told = first.hospital, list[str]()
        notices = Notices(moved=lambda: told.append("moved"), found=lambda: told.append("found"))
        await first.until(lambda: first.log.begun)
        epoch = await hospital.ceremony(timeout=60, notices=notices)
        assert epoch.number == 1
        assert "found" in told
        assert hospital.progress is not None
        assert hospital.mirror.index == 1
        assert (await hospital.ceremony()).digest == epoch.digest  # which is there by now
        assert first.log.begun == [("ceremony", "ceremony/1")]  # nothing was computed twice


async def test_a_check_that_one_asks_for_is_answered_by_all(serves: Serves) -> None:
    async with serves(1, 2, 3) as all_served:
        for served in all_served:
            await served.until(lambda s=served: s.hospital.has_key)
        epoch, found = await all_served[1].hospital.check_key(True, timeout=60)
        assert found is not None
        assert found.good == (1, 2, 3)
        assert found.decrypts
        alone, nothing = await all_served[1].hospital.check_key(False)
        assert (alone.digest, nothing) == (epoch.digest, None)
        entries = all_served[0].consortium.relay.core.board.entries
        assert sum(isinstance(p.post.body, CheckRequest) for p in entries) == 1
        assert sum(isinstance(p.post.body, CheckPart) for p in entries) == 3


async def test_the_record_is_exported_while_the_agent_runs(serves: Serves, tmp_path: Path) -> None:
    async with serves(1, 2, 3) as (first, second, _):
        for served in (first, second):
            await served.until(lambda s=served: s.hospital.has_key)
            found = await served.hospital.export(tmp_path / "record", timeout=60)
        assert found.countersigned.keys() == {"H1", "H2"}
        assert found.is_noted
        assert (tmp_path / "record" / "record.json").exists()


async def test_a_command_is_told_for_whom_it_waits_when_its_time_is_over(serves: Serves) -> None:
    async with serves(1) as (first,):
        await waits_for_others(first)
        with pytest.raises(SaidByAgent) as caught:
            await first.hospital.ceremony(timeout=2.0)
        assert "waiting for H2, H3" in caught.value.what
        assert not first.course.done()
        standing = await first.hospital.standing()
        assert [(task.task, task.session) for task in standing.tasks] == [
            ("ceremony", "ceremony/1")
        ]
        assert standing.state == "running"
        assert standing.here
        assert standing.aggregator


async def test_what_cannot_be_done_is_said_and_the_agent_goes_on(serves: Serves) -> None:
    async with serves(1) as (first,):
        await first.until(lambda: first.log.begun)
        with pytest.raises(SaidByAgent, match="no ceremony of these terms was aborted"):
            await first.hospital.judge(
                "", timeout=30, notices=Notices(), known=lambda session, count: None
            )
        assert not first.course.done()


async def test_a_second_agent_is_told_of_the_first(serves: Serves) -> None:
    async with serves(1) as (first,):
        await first.until(lambda: first.log.states)
        async with serves(1) as (second,):
            await asyncio.wait([second.course])
            error = second.course.exception()
        assert isinstance(error, AlreadyRunning)
        assert error.command == "serve"
        assert await first.hospital.standing()  # whose socket is still its own


async def test_an_agent_without_its_passphrase_says_so(
    serves: Serves, consortium: Consortium
) -> None:
    given = asyncio.Event()
    loop = asyncio.get_running_loop()

    def enter(number: int) -> Membership:
        asyncio.run_coroutine_threadsafe(given.wait(), loop).result(60)
        return consortium.member(number)

    async with serves(1, enter=enter) as (first,):
        await first.until(lambda: connect(place.socket_path(first.folder)))
        assert (await first.hospital.standing()).state == "passphrase"
        with pytest.raises(SaidByAgent, match="waits for its passphrase"):
            await first.hospital.ceremony()
        given.set()
        await first.until(lambda: first.log.begun)
        assert (await first.hospital.standing()).state == "running"


async def test_a_wrong_passphrase_ends_the_agent_and_lets_go_of_the_folder(
    serves: Serves, consortium: Consortium
) -> None:
    def enter(number: int) -> Membership:
        raise WrongPassphrase(Path("identity.sealed"))

    async with serves(1, enter=enter) as (first,):
        await asyncio.wait([first.course])
        assert isinstance(first.course.exception(), WrongPassphrase)
        assert not (first.folder / place.SOCKET_NAME).exists()
    async with serves(1) as (again,):
        await again.until(lambda: again.log.begun)


async def test_a_stop_names_what_is_left_and_the_next_start_goes_on(serves: Serves) -> None:
    async with serves(1) as (first,):
        await waits_for_others(first)
        await first.hospital.stop()
        await asyncio.wait([first.course])
        assert first.course.exception() is None
        assert [(task.name, task.waiting.members) for task in first.log.left] == [
            ("ceremony", (2, 3))
        ]
    async with serves(1, 2, 3) as all_served:
        for served in all_served:
            await served.until(lambda s=served: s.hospital.has_key)


async def test_a_ceremony_after_one_that_was_aborted_is_begun_by_a_person(
    serves: Serves, consortium: Consortium
) -> None:
    abort(consortium, 2)
    async with serves(1, 3) as (first, third):
        for served in (first, third):
            await served.until(lambda s=served: s.service._work and s.service._work._moved)
        with pytest.raises(SaidByAgent):
            await first.hospital.ceremony(timeout=3.0)
        assert first.log.begun[0] == ("ceremony", "")  # as the command wished
        assert third.log.begun == []
    async with serves(1) as (again,):  # which has joined the second one
        await again.until(lambda: again.log.begun)
        assert again.log.begun == [("ceremony", "ceremony/2")]


def abort(consortium: Consortium, member: int) -> None:
    """A member gives up the first ceremony."""
    core, key = consortium.relay.core, consortium.member(member).identity.signing_key
    for body in (Join(b"k", bytes(32)), Abort(0, "join", "no", ())):
        post = next_post(key, core.board, "ceremony/1", member, body)
        assert isinstance(core.receive(member, Submit(post))[0], Accepted)
