import io

from rich.console import Console

from participant.cli.views.transfer import Transfer, TransferBar, TransferLines

MB = 1_000_000


def test_a_line_every_ten_seconds_tells_bytes_and_time_left():
    said: list[str] = []
    now = 0.0
    lines = TransferLines(said.append, lambda: now)
    for now in (0.0, 4.0, 10.0, 12.0, 20.0):
        lines.show(Transfer("sending round 3", int(5 * MB * now), 300 * MB))
    assert said == [
        "sending round 3: 50 of 300 MB, about 50 s left",
        "sending round 3: 100 of 300 MB, about 40 s left",
    ]


def test_what_was_sent_before_a_restart_does_not_count_for_the_pace():
    said: list[str] = []
    now = 0.0
    lines = TransferLines(said.append, lambda: now)
    lines.show(Transfer("sending", 200 * MB, 300 * MB))
    now = 10.0
    lines.show(Transfer("sending", 250 * MB, 300 * MB))
    assert said == ["sending: 250 of 300 MB, about 10 s left"]


def test_a_stalled_transfer_promises_nothing():
    said: list[str] = []
    now = 0.0
    lines = TransferLines(said.append, lambda: now)
    lines.show(Transfer("sending", 0, 300 * MB))
    now = 11.0
    lines.show(Transfer("sending", 0, 300 * MB))
    assert said == ["sending: 0 of 300 MB"]


def test_small_things_are_not_shown():
    said: list[str] = []
    times = iter((0.0, 11.0, 22.0))
    lines = TransferLines(said.append, lambda: next(times))
    for _ in range(3):
        lines.show(Transfer("sending", 1, 1000))
    assert said == []


def test_a_bar_shows_bytes_and_goes_away():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with TransferBar(console) as bar:
        bar.show(Transfer("sending round 3", 150 * MB, 300 * MB))
        bar.progress.refresh()
        assert "sending round 3" in screen.getvalue()
        assert "150.0/300.0 MB" in screen.getvalue()
        bar.show(None)
        assert not bar.progress.tasks
