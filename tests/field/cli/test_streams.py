"""Whatever becomes of a terminal, a log or a reader, the command does its work."""

import io
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from participant.errors import BadPassphrase
from participant.home.passphrase import obtain
from protocol.programs.streams import Lasting, make_lasting
from tests.stage.programs.commands import is_ours, typed

ROOT = Path(__file__).parents[3]
HOSPITAL = "quorate-participant"


class Refusing(io.RawIOBase):
    """Takes so many writes, then refuses each."""

    def __init__(self, error: OSError, taken: int = 0) -> None:
        self.error, self.taken, self.data = error, taken, b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        if not self.taken:
            raise self.error
        self.taken -= 1
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(data)  # type: ignore[arg-type]

    def fileno(self) -> int:
        raise OSError


FULL, GONE, AWAY = (
    OSError(28, "No space left on device"),
    BrokenPipeError(),
    OSError(5, "I/O error"),
)


@pytest.mark.parametrize("error", [FULL, GONE, AWAY], ids=repr)
@pytest.mark.parametrize("taken", [0, 1])
def test_a_command_whose_output_ends_does_its_work(
    tmp_path: Path, error: OSError, taken: int
) -> None:
    raw = Refusing(error, taken)
    stream = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")
    (tmp_path / "words").write_text("correct horse")
    words = ("init", "--name", "X", "--home", tmp_path, "--passphrase-file", tmp_path / "words")
    ended = typed(HOSPITAL, *words, stdout=stream)
    assert (tmp_path / "identity.sealed").exists()
    assert raw.data.startswith(b"Identity of X") == bool(taken)
    assert ended.code == (error is not GONE)  # whoever read it has seen enough
    assert (str(error.strerror) in ended.err) == (error is not GONE)
    assert not is_ours(ended)


def test_a_stream_that_is_full_takes_what_comes_once_there_is_room() -> None:
    raw = Refusing(FULL)
    stream = io.TextIOWrapper(io.BufferedWriter(Lasting(raw, [])), write_through=True)
    print("lost", file=stream, flush=True)
    raw.taken = 1
    print("there", file=stream, flush=True)
    assert raw.data == b"there\n"


def test_a_stream_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    size = 1 << 20
    reasons: list[str] = []
    raw = Lasting(io.FileIO(writing, "w"), reasons)
    writer = threading.Thread(target=lambda: io.BufferedWriter(raw).write(b"x" * size))
    writer.start()
    with open(reading, "rb") as file:
        assert len(file.read(size)) == size
    writer.join()
    assert reasons == []


def test_what_an_app_prints_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BufferedWriter(Refusing(FULL)), encoding="ascii")
        monkeypatch.setattr(sys, name, stream)
    make_lasting()
    print("Łódź", flush=True)
    print("Łódź", file=sys.stderr, flush=True)


def test_no_file_takes_the_number_of_a_closed_stream() -> None:
    program = (
        "import os; from protocol.programs.streams import make_lasting; make_lasting(); "
        "os.write(3, str(os.open('/', os.O_RDONLY)).encode())"
    )
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    line = f'{sys.executable} -c "{program}" 3>&{writing} <&- >&- 2>&-'
    subprocess.run(["bash", "-c", line], cwd=ROOT, check=True, pass_fds=[writing], timeout=30)
    os.close(writing)
    with open(reading, "rb") as file:
        assert int(file.read()) > 2


def test_a_question_to_a_closed_terminal_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    import participant.cli.views.terminal as terminal

    monkeypatch.setattr(sys, "stdin", None)
    make_lasting()
    with pytest.raises(terminal.typer.Abort):
        terminal.agrees("Agree?")


def test_an_answer_that_is_no_text_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import participant.cli.views.terminal as terminal

    raw = io.BytesIO("jä\ny\n".encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    make_lasting()
    assert terminal.agrees("Agree?")


@pytest.mark.parametrize("typed_bytes", [b"\xff\xfe\n", "Zürich\n".encode("latin-1")])
def test_a_passphrase_that_is_no_text_is_refused_at_the_terminal(
    typed_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(prompt: str) -> str:
        return typed_bytes.decode()

    monkeypatch.setattr("participant.home.passphrase.getpass.getpass", read)
    monkeypatch.setattr("participant.home.passphrase._has_terminal", lambda: True)
    with pytest.raises(BadPassphrase, match="encoding") as caught:
        obtain(None, False, {})
    assert caught.value.__suppress_context__  # whose text would quote the bytes


@pytest.mark.slow
def test_events_that_cannot_be_written_end_nothing() -> None:
    program = (
        "from protocol.programs.streams import lost, make_lasting; make_lasting()\n"
        "from participant.cli.views.terminal import only_json, say_json\n"
        "with only_json(True):\n"
        "    say_json(1); say_json(2); print('said by an app')\n"
        "raise SystemExit(lost())"
    )
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, stdout=full, stderr=subprocess.PIPE,
            check=False, timeout=30,
        )  # fmt: skip
    assert ended.stderr.decode() == "said by an app\nNo space left on device\n"


@pytest.mark.slow
def test_a_view_whose_terminal_goes_away_ends_nothing() -> None:
    """As when a connection ends from which a command was started that is to go on."""
    program = (
        "import sys, time; from protocol.programs.streams import make_lasting; make_lasting()\n"
        "from rich.live import Live; from participant.cli.views.terminal import new_console\n"
        "with Live('x', console=new_console(stderr=True), refresh_per_second=20) as live:\n"
        "    sys.stdin.read()\n"
        "    live.console.print('after'); time.sleep(0.3)\n"
        "sys.exit(7)"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=theirs,
    ) as running:  # fmt: skip
        os.close(theirs)
        os.read(ours, 1)
        os.close(ours)
        assert running.communicate(timeout=30) == (b"", None)
    assert running.returncode == 7
