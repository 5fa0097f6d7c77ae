"""Real commands at a real terminal, while the aggregator and other hospitals say what they like."""

import asyncio
import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.messages import Training
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Abort
from protocol.terms.terms import render
from protocol.wire.frames import Rejected, StatusReport, Submit
from tests.foreign.poison import BRIEF, NOT_TEXT, offences
from tests.participant.cli.test_commands import APP
from tests.stage.consortium import PASSPHRASE, Consortium, found, with_key
from tests.stage.record.good import good
from tests.stage.record.memory import write_folder
from tests.stage.record.story import write
from tests.stage.toy import next_post

pytestmark = pytest.mark.slow

BAD = f"[red]R[/] {BRIEF}"
ALLOWED = "".join(c for c in BAD if not ("\x00" <= c < " " or "\x7f" <= c < "\xa0"))
REASON = ALLOWED.replace("\u2028", "").replace("\u2029", "")[:500]  # what a message may hold
# What rich and typer themselves send: colours, cursor shown and hidden, lines erased and gone up.
_OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*A)|\r")
_ERASED = "\x1b[2K"  # the line; another one begins


def at_terminal(folder: Path, home: str, *words: object, seconds: float = 30) -> str:
    """All that a command writes to a pty, ended after so many seconds if it has not by itself."""
    ours, its = pty.openpty()
    environment = {
        **os.environ,
        "QUORATE_PASSPHRASE": PASSPHRASE.text,
        "QUORATE_HOME": str(folder / home),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TERM": "xterm-256color",
        "COLUMNS": "250",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "participant", *map(str, words)],
        cwd=folder, env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    written, until = b"", time.monotonic() + seconds
    with contextlib.suppress(OSError):  # its end
        os.set_blocking(ours, False)
        while True:
            try:
                data = os.read(ours, 1 << 16)
                if not data:
                    break
                written += data
            except BlockingIOError:
                if time.monotonic() > until:
                    process.terminate()
                    until += 60
                time.sleep(0.02)
    process.wait(60)
    os.close(ours)
    return written.decode()


def seen(written: str) -> str:
    """What was written, without what the program itself may send; nothing else steers."""
    assert written
    rest = _OWN.sub("", written.replace(_ERASED, "\n"))
    assert offences(rest) == []
    assert "Traceback" not in rest
    return rest


def test_terms_with_an_escape_in_the_address_are_refused_harmlessly(tmp_path: Path) -> None:
    made = found(tmp_path)
    evil = "wss://h:8443\\u001b[1A\\r\\u001b[2K  quorum        5 of 5, 3072-bit key"
    text = render(made.terms, made.card).replace(made.card.url, evil)
    (tmp_path / "evil.toml").write_text(text)
    for command in ("show", "sign"):
        said = seen(at_terminal(tmp_path, "h1", "terms", command, "evil.toml"))
        assert "address.url: it must be wss://host" in said


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """A federation that has its key, and whose aggregator says nothing but what it is told to."""
    made = with_key(tmp_path_factory.mktemp("consortium"))
    (made.folder / "app.py").write_text(APP.replace('"accuracy"', json.dumps(BAD)))
    (made.folder / "numbers.csv").write_text("men,3\nwomen,5\n")
    with made.relay.running():
        made.hold_study("cardio", Training(1, 8.0, 24, 1_000))
        yield made


COMMANDS = {
    "train": ("train", "--study", "cardio", "--app", "app.py"),
    "contribute": ("contribute", "numbers.csv", "--study", "age"),
    "decrypt": ("decrypt", "--study", "age", "--yes"),
    "status": ("status",),
    "key": ("key", "check", "--together"),
    "export": ("export", "--out", "record"),
}


@pytest.mark.parametrize("code", ["malformed", "busy"])
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_no_rejection_steers(
    key: Consortium, command: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key.relay, "answer_hello", Rejected(code, REASON))  # type: ignore[arg-type]
    seconds = 30.0 if code == "malformed" else 4.0  # the other is tried again and again
    said = seen(at_terminal(key.folder, "h1", *COMMANDS[command], seconds=seconds))
    if code == "malformed":
        assert r"\u202elive" in said


@pytest.mark.parametrize("first", [BAD, BAD.encode(), b"\x92\xa8rejected\xc1"])
def test_no_frame_that_does_not_read_steers(
    key: Consortium, first: str | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key.relay, "say_first", first)
    seen(at_terminal(key.folder, "h1", "status"))


def test_no_status_report_steers(key: Consortium, monkeypatch: pytest.MonkeyPatch) -> None:
    report = {
        "entries": BAD, "head": BAD, "members": [{"name": BAD, "connected_since": BAD}],
        "ceremony": {"session": BAD, "step": BAD, "aborted": [{"by": BAD, "reason": BAD}]},
        "rounds": [{"session": BAD, "opened": BAD, "contributors": [BAD]}],
        "disagreement": {BAD: BAD},
    }  # fmt: skip
    inherited = {"epoch": BAD, "not_said": [BAD], "said_another": [BAD]}
    for told in (report, report | {"inheritance": inherited}):
        data = json.dumps(told).encode()
        monkeypatch.setattr(
            key.relay.core, "receive", lambda *said, data=data: [StatusReport(data)]
        )
        said = seen(at_terminal(key.folder, "h1", "status"))
        assert r"\x1b[2J" in said
        assert "[red]R[/]" in said
    assert "ANOTHER KEY OR ENTRY" in said


def test_no_metric_of_training_steers(key: Consortium) -> None:
    others = [key.start(i, *COMMANDS["train"]) for i in (2, 3)]
    said = seen(at_terminal(key.folder, "h1", *COMMANDS["train"], seconds=120))
    for process in others:
        process.communicate(timeout=60)
    assert "is done, 1 round in all" in said
    assert "[red]R[/]" in said


def post_once_joined(made: Consortium, member: int, body: Body) -> None:
    """Let a member say something as soon as anybody has spoken in the first ceremony."""

    async def post() -> None:
        board = made.relay.core.board
        for _ in range(600):
            if board.head.position:
                break
            await asyncio.sleep(0.05)
        key = made.member(member).identity.signing_key
        signed = next_post(key, board, "ceremony/1", member, body)
        made.relay.core.receive(member, Submit(signed))
        await made.relay._push()

    asyncio.run_coroutine_threadsafe(post(), made.relay._loop)


def test_no_abort_steers_the_view_of_the_ceremony_or_the_verdict(tmp_path: Path) -> None:
    made = found(tmp_path)
    with made.relay.running():
        post_once_joined(made, 2, Abort(3, "join", f"member 3 {REASON[:480]}"))
        said = seen(at_terminal(tmp_path, "h1", "ceremony", seconds=90))
        assert r"\u202elive" in said
        assert r"\u202elive" in seen(at_terminal(tmp_path, "h1", "verdict", "--timeout", "5"))
        assert r"\u202elive" in seen(at_terminal(tmp_path, "h1", "status"))


def test_no_file_name_of_a_record_steers(tmp_path: Path) -> None:
    write_folder(write(good().story).files, tmp_path / "record")
    for name in (NOT_TEXT[:70].replace("/", ""), "\u202egpj.exe", "a\nFORGED", "[red]x"):
        (tmp_path / "record" / name).write_bytes(b"")
    said = seen(at_terminal(tmp_path, "h1", "verify", "record", seconds=60))
    assert "[red]x does not belong to this record" in said
