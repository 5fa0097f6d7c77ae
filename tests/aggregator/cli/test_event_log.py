"""One line an event."""

import logging

from aggregator.cli.event_log import OneLine


def record(level: int, message: str, error: Exception | None = None) -> logging.LogRecord:
    raised = (type(error), error, None) if error else None
    return logging.LogRecord("quorate.aggregator", level, "server", 1, message, None, raised)


def test_a_line_has_the_time_in_utc_and_the_level_if_it_is_not_routine() -> None:
    event = record(logging.INFO, "H1: connected")
    event.created = 0.0
    assert OneLine().format(event) == "1970-01-01T00:00:00+00:00 H1: connected"
    event = record(logging.ERROR, "nothing can be stored")
    event.created = 0.0
    assert OneLine().format(event) == "1970-01-01T00:00:00+00:00 error: nothing can be stored"


def test_others_words_break_no_line_and_move_no_cursor() -> None:
    line = OneLine().format(record(logging.INFO, "step\n2026 forged \x1b[2J"))
    assert line.endswith(r"step\n2026 forged \x1b[2J")
    assert line.isprintable()


def test_no_traceback_is_written() -> None:
    line = OneLine().format(record(logging.ERROR, "internal error", ValueError("secret")))
    assert line.endswith("error: internal error")
