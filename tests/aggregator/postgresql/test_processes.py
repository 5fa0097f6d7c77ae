"""Whole processes on one database: one serves, and the next one when that is killed or frozen."""

import signal
from collections.abc import Iterator

import pytest

from protocol.wire.frames import Accepted
from tests.stage.boards.cluster import Cluster, Member, answers, wait_until
from tests.stage.boards.server import Server, running
from tests.stage.boards.stored import stored_entries
from tests.stage.caller import stranger
from tests.stage.programs.place import Place, join, place, run

__all__ = ["place", "run"]  # fixtures


@pytest.fixture
def cluster(place: Place, postgres: Server) -> Iterator[Cluster]:
    address = postgres.address(postgres.new_database())
    made = Cluster(place.file, place.data, address, 2)
    yield made
    made.close()


async def say(place: Place, leader: Member, member: int) -> int:
    """A member's first post, also if it was said before; its position on the board."""
    async with stranger(leader.port, place.federation) as line:
        await line.introduce(member, place.federation.keys[member])
        answer = await line.ask(join(place, member))
    assert isinstance(answer, Accepted), answer
    return answer.position


async def leader_with_a_post(cluster: Cluster, place: Place) -> Member:
    leader = cluster.leader()
    assert await say(place, leader, 1) == 1
    return leader


def entries(cluster: Cluster, place: Place) -> list[bytes]:
    return stored_entries(cluster.address, place.terms.federation)


@pytest.mark.slow
async def test_the_next_one_serves_when_the_leader_is_killed(
    cluster: Cluster, place: Place
) -> None:
    first = await leader_with_a_post(cluster, place)
    assert cluster.status()["pid"] == first.process.pid
    wait_until(lambda: any("stands by" in m.said for m in cluster.members), "one that stands by")
    first.process.kill()
    first.process.wait()
    second, _ = cluster.follower(first)
    assert await say(place, second, 1) == 1  # it is there already
    assert await say(place, second, 2) == 2
    wait_until(lambda: cluster.status()["pid"] == second.process.pid, "its report")
    assert len(entries(cluster, place)) == 2


@pytest.mark.slow
async def test_a_frozen_leader_that_wakes_changes_nothing_and_stands_by(
    cluster: Cluster, place: Place
) -> None:
    first = await leader_with_a_post(cluster, place)
    first.process.send_signal(signal.SIGSTOP)
    second, _ = cluster.follower(first)
    assert await say(place, second, 2) == 2
    before = entries(cluster, place)
    first.process.send_signal(signal.SIGCONT)
    wait_until(lambda: "no longer leads" in first.said, "the old leader's word")
    said = first.said.partition("no longer leads")[2]
    wait_until(lambda: "stands by" in first.said.partition("no longer leads")[2], "it stands by")
    assert not answers(first.port), said
    assert entries(cluster, place) == before
    second.process.terminate()  # and it follows, once it may
    second.process.wait()
    assert second.process.returncode == 0
    third, _ = cluster.follower(second)
    assert third is first
    assert await say(place, third, 2) == 2
    assert await say(place, third, 3) == 3


@pytest.mark.slow
async def test_one_that_stands_by_ends_when_it_is_told(cluster: Cluster) -> None:
    leader = cluster.leader()
    (other,) = [m for m in cluster.members if m is not leader]
    wait_until(lambda: "stands by" in other.said, "one that stands by")
    other.process.terminate()
    assert other.process.wait(30) == 0
    assert "Traceback" not in other.said


@pytest.mark.slow
async def test_a_database_that_is_gone_for_a_while_is_waited_for(place: Place) -> None:
    with running({"fsync": "on"}) as server:
        address = server.address(server.new_database())
        cluster = Cluster(place.file, place.data, address, 1)
        try:
            leader = cluster.leader()
            assert await say(place, leader, 1) == 1
            server.stop(is_killed=True)
            wait_until(lambda: "no longer leads" in leader.said, "that it says so")
            wait_until(lambda: "waits for the database" in leader.said, "that it waits")
            server.start()
            again = cluster.leader()
            assert again is leader
            assert leader.process.poll() is None
            assert await say(place, again, 1) == 1
            assert await say(place, again, 2) == 2
            assert "Traceback" not in leader.said
        finally:
            cluster.close()
