import io

import pytest
from rich.console import Console

from participant.cli.views.transfer import Transfer, TransferBar, TransferLines

MB = 1_000_000


@pytest.mark.parametrize(
    ("done", "total", "said"),
    [
        (
            {0.0: 0, 4.0: 20 * MB, 10.0: 50 * MB, 12.0: 60 * MB, 20.0: 100 * MB},
            300 * MB,
            ["50 of 300 MB, about 50 s left", "100 of 300 MB, about 40 s left"],
        ),
        ({0.0: 200 * MB, 10.0: 250 * MB}, 300 * MB, ["250 of 300 MB, about 10 s left"]),
        ({0.0: 0, 11.0: 0}, 300 * MB, ["0 of 300 MB"]),
        ({0.0: 1, 11.0: 1, 22.0: 1}, 1000, []),
    ],
    ids=[
        "a line every ten seconds tells bytes and time left",
        "what was sent before a restart does not count for the pace",
        "a stalled transfer promises nothing",
        "small things are not shown",
    ],
)
def test_lines_tell_of_a_transfer(done: dict[float, int], total: int, said: list[str]) -> None:
    """By the seconds at which so many bytes are done."""
    lines: list[str] = []
    times = iter(done)
    shown = TransferLines(lines.append, lambda: next(times))
    for count in done.values():
        shown.show(Transfer("sending", count, total))
    assert lines == [f"sending: {line}" for line in said]


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
