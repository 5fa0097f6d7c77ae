"""What an app prints is shown line by line, and steers nothing."""

from participant.app.output import Lines


def shown(*pieces: bytes) -> list[str]:
    lines = Lines()
    found = [text for piece in pieces for text in lines.take(piece)]
    return found + lines.end()


def test_lines_are_whole_in_whatever_pieces_they_come() -> None:
    assert shown(b"epo", b"ch 1\nep", b"och 2") == ["epoch 1", "epoch 2"]
    assert shown(b"a\n\nb\n") == ["a", "", "b"]
    assert shown() == []


def test_a_bar_that_is_redrawn_is_shown_as_it_was_at_its_end() -> None:
    assert shown(b"\r 10 %", b"\r 20 %", b"\r100 %\n", b"done\r\n") == ["100 %", "done"]
    assert shown(b"10 %\r", b"20 %\r", b"\n") == ["20 %"]


def test_nothing_steers_a_terminal() -> None:
    assert shown(b"\x1b[2Jgone\n\xff\n") == ["\\x1b[2Jgone", "\N{REPLACEMENT CHARACTER}"]


def test_a_line_without_an_end_takes_no_memory() -> None:
    lines = Lines()
    for _ in range(100):
        assert lines.take(b"x" * (1 << 16)) == []
    assert len(lines._rest) <= 1 << 16
    (text,) = lines.end()
    assert len(text) <= 4_096


def test_a_flood_is_counted_and_told() -> None:
    now = 0.0
    lines = Lines(lambda: now)
    found = lines.take(b"x\n" * 10_000)
    assert len(found) == 2_000
    now = 1.0
    assert lines.take(b"y\n") == ["(8000 more lines of the app are left out)", "y"]
    lines.take(b"z\n" * 300)
    assert lines.end()[-1] == "(101 more lines of the app are left out)"
