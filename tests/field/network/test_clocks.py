"""Clocks that jump: noticed, said, and nothing is closed early or kept open for ever."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aggregator.clock import BoardClock
from aggregator.server.service import Aggregator
from aggregator.server.waits import Waits
from aggregator.status.text import render
from aggregator.store.unnamed_blobs import CLEAN_UP_SECONDS
from participant.agent.agent import Agent
from participant.cli.views.ceremony import clocks_line
from participant.cli.views.standing import show_standing
from participant.network.clock_check import ClockCheck
from protocol.messages.attachment import blob_name
from protocol.wire.frames import CHUNK_BYTES, BlobChunk, Welcome
from tests.stage.desk import SECONDS, Desk, federation
from tests.stage.saying import FEDERATION, agent, proposing

DAY_MS = 86_400_000


@dataclass
class TwoClocks(Desk):
    """A desk whose machine has a clock that is set now and then, and one that nobody sets."""

    set_by_ms: int = 0

    def restart(self) -> Aggregator:
        self.service = Aggregator(
            self.federation.terms,
            self.federation.keys[0],
            self.folder,
            lambda: self.time_ms + self.set_by_ms,
            lambda: self.time_ms,
        )
        return self.service


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    desk = TwoClocks(tmp_path)
    desk.time_ms = 10 * DAY_MS
    desk.restart()
    yield desk
    desk.service.close()


def is_open(desk: Desk) -> bool:
    return desk.service.rounds.views["study/cardio/1"].closing is None


@pytest.mark.parametrize("step", [DAY_MS, -DAY_MS], ids=["forward", "back"])
def test_a_round_waits_as_long_as_it_says_whatever_the_clock_shows(
    desk: TwoClocks, step: int, caplog: pytest.LogCaptureFixture
) -> None:
    waited = lambda: desk.service._waits.since(opened, desk.service._clock.now_ms())  # type: ignore[has-type]  # noqa: E731
    desk.wait(1)
    opened = desk.service._clock.now_ms()
    desk.wait(3)
    assert waited() == 3_000
    desk.set_by_ms = step
    desk.wait(2)
    assert waited() == 5_000  # of the day, nothing
    way = "forward" if step > 0 else "back"
    assert f"was set {way} by 86400 s" in caplog.text
    desk.wait(1)
    assert caplog.text.count("was set") == 1


@pytest.mark.parametrize("step", [DAY_MS, -DAY_MS, 0], ids=["forward", "back", "right"])
def test_a_restart_counts_neither_the_stop_nor_anything_twice(desk: TwoClocks, step: int) -> None:
    desk.wait(1)
    opened = desk.service._clock.now_ms()
    desk.wait(8)
    for _ in range(3):
        desk.service.close()
        desk.set_by_ms += step
        desk.time_ms += 3_600_000  # stopped for an hour
        desk.restart()
        desk.wait(5)
    waited = desk.service._waits.since(opened, desk.service._clock.now_ms())
    assert waited == 8_000 + 3 * 5_000


def test_without_its_note_a_service_counts_what_the_board_shows(tmp_path: Path) -> None:
    waits = Waits(tmp_path, 9_000)  # the last entry
    waits.begin(DAY_MS)
    assert waits.since(2_000, DAY_MS + 1_000) == 7_000 + 1_000
    (tmp_path / "alive").write_bytes(b"\xff{}")
    assert Waits(tmp_path, 9_000).last_ms == 9_000


def test_a_round_is_not_closed_by_a_clock_that_is_a_day_ahead(tmp_path: Path) -> None:
    """Four hospitals, of whom three have contributed, and one may still come."""
    desk = TwoClocks(tmp_path, federation(n=4))
    desk.open_training()
    desk.fill("study/cardio/1", 1, 2, 3)
    desk.wait(1)
    assert is_open(desk)
    desk.set_by_ms = DAY_MS
    desk.wait(SECONDS / 2)
    assert is_open(desk)
    desk.service.close()
    desk.restart()
    desk.wait(1)
    assert is_open(desk)
    desk.wait(SECONDS)
    assert not is_open(desk)
    desk.service.close()


@pytest.mark.parametrize("years", [10, -10, 0], ids=["forward", "back", "right"])
def test_an_upload_is_kept_for_an_hour_after_its_last_bytes_whatever_the_clock_shows(
    desk: TwoClocks, years: int
) -> None:
    blob, half = os.urandom(2 * CHUNK_BYTES), lambda: list(desk.folder.glob("incoming/*"))
    named, chunk = os.urandom(100), blob[:CHUNK_BYTES]
    desk.ask(1, BlobChunk(blob_name(blob), len(blob), 0, chunk))
    desk.upload(1, named)
    desk.wait(60)
    desk.set_by_ms = years * 365 * DAY_MS
    desk.wait(60)
    assert len(half()) == 1, "it is under way"
    assert desk.service._blobs.size(blob_name(named)) == 100
    desk.wait(CLEAN_UP_SECONDS + 60)
    assert not half(), "it is given up"
    assert desk.service._blobs.size(blob_name(named)) is None


def test_status_shows_that_the_clock_was_set(
    desk: TwoClocks, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.wait(1)
    report: dict[str, Any] = desk.service.status({})
    assert report["clock"] is None
    desk.set_by_ms = DAY_MS
    desk.wait(1)
    report = desk.service.status({})
    (row,) = [row for row in render(report, "now") if "CLOCK WAS SET forward by 24:00 h" in row]
    assert "it is 24:00 h ahead of the board's times" in row
    show_standing(None, report, "H1")
    assert "the aggregator's machine was set forward by 24" in capsys.readouterr().out


def test_a_clock_that_is_behind_the_board_at_the_start_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = BoardClock(lambda: DAY_MS, 2 * DAY_MS, lambda: 0)
    assert clock.now_ms() == 2 * DAY_MS
    assert "was set back by 86400 s" in caplog.text


def test_a_clock_that_is_kept_right_in_small_steps_is_not_remarked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    steady = iter(range(0, 1_000_000, 1_000))
    wall = iter(range(0, 1_005_000, 1_005))  # half a per cent fast
    clock = BoardClock(lambda: next(wall), 0, lambda: next(steady))
    for _ in range(900):
        clock.now_ms()
    assert caplog.text == ""
    assert clock.report is None


# ── a hospital's clock ──


@pytest.mark.parametrize("there", [-DAY_MS, DAY_MS], ids=["behind", "ahead"])
def test_a_hospital_whose_clock_is_a_day_off_is_told_once(tmp_path: Path, there: int) -> None:
    here = [100_000.0]
    service = Aggregator(
        FEDERATION.terms, FEDERATION.keys[0], tmp_path, lambda: int(1000 * here[0]) + there
    )
    member = agent(1, None, proposing(1), proposing(2))
    check, found = ClockCheck(member, lambda: here[0]), []
    member.connected(Welcome(*service.board.head))
    for _ in range(6):
        member.step()
        found.append(check.differs())
        talk_once(member, service)
        here[0] += 1
    (ahead,) = [seconds for seconds in found if seconds]
    assert abs(ahead - there / 1000) < 10
    said = clocks_line(ahead)
    assert ("h behind the aggregator's" if there > 0 else "h ahead of the aggregator's") in said
    assert "23:59" in said or "24:00" in said
    service.close()


def test_neither_a_right_clock_nor_a_long_way_is_remarked(tmp_path: Path) -> None:
    here = [100_000.0]
    service = Aggregator(
        FEDERATION.terms, FEDERATION.keys[0], tmp_path, lambda: int(1000 * here[0]) + 2_000
    )
    member = agent(1, None, proposing(1), proposing(2))
    check = ClockCheck(member, lambda: here[0])
    member.connected(Welcome(*service.board.head))
    for _ in range(6):
        member.step()
        assert check.differs() is None
        here[0] += 4_000  # no link for an hour
        talk_once(member, service)
        here[0] += 4_000
    assert member.seen is not None
    service.close()


def talk_once(member: Agent, service: Aggregator) -> None:
    for frame in member.outgoing():
        for reply in service.receive(member.index, frame):
            member.receive(reply)
    member.receive(service.entries_after(member.board.head.position))
