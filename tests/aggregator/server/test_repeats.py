"""What repeats is said once, then counted."""

import pytest

from aggregator.server.repeats import Tally


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def tally(now: list[float], caplog: pytest.LogCaptureFixture) -> Tally:
    caplog.set_level("INFO", "quorate")
    return Tally(lambda: now[0])


def test_what_repeats_is_one_line_and_then_a_count(
    tally: Tally, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for port in range(1_400):
        tally.say("too many strangers", f"192.0.2.1:{port}: dropped")
        tally.tell()
    assert caplog.messages == ["192.0.2.1:0: dropped"]
    now[0] = 60.0
    tally.tell()
    count = "too many strangers: 1,399 more in 60 s; the last one: 192.0.2.1:1399: dropped"
    assert caplog.messages[1:] == [count]


def test_counts_of_what_goes_on_come_ever_more_rarely(
    tally: Tally, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(24 * 3_600):
        now[0] = float(second)
        tally.say("refused", "no")
        tally.tell()
    assert len(caplog.messages) < 36


def test_what_came_to_an_end_is_said_again_when_it_comes_back(
    tally: Tally, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for moment in (0.0, 61.0, 122.0):
        now[0] = moment
        tally.tell()
        tally.say("refused", f"at {moment:.0f}")
    assert caplog.messages == ["at 0", "at 61", "at 122"]


def test_kinds_are_counted_apart_and_told_when_the_service_ends(
    tally: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        tally.say("refused", "no")
        tally.say("H1 comes and goes", "H1: connected", at_once=2)
    assert caplog.messages == ["no", "H1: connected", "H1: connected"]
    tally.tell(whole=True)
    assert [m.partition(" more")[0] for m in caplog.messages[3:]] == [
        "refused: 2",
        "H1 comes and goes: 1",
    ]
