"""No surroundings end a command in an internal error or a traceback: paths, variables, streams.

Odd paths lie in a folder of the test: some commands would write to them.
"""

import io
import itertools
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from participant.disk import files
from participant.errors import DiskError
from protocol.programs.record_output import OutputFolder
from tests.field.cli.test_streams import Refusing
from tests.stage.programs.commands import (
    AGGREGATOR,
    HOSPITAL,
    Ended,
    Place,
    is_ours,
    place,
    typed,
    walk,
)

ROOT = Path(__file__).parents[3]
__all__ = ["place"]  # a fixture


# ── paths ──


def odd_paths(folder: Path) -> dict[str, object]:
    """Paths that are there and are not what they should be, or cannot be."""
    (folder / "file").write_text("x")
    (folder / "empty").write_text("")
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "folder").mkdir()
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(folder / "socket"))
    names = ("file", "empty", "binary", "folder", "dangling", "loop", "socket")
    return {name: folder / name for name in names} | {
        "below a file": folder / "file" / "below",
        "below nothing": folder / "folder" / "a" / "b",
        "too long": folder / ("x" * 300),
        "nobody's home": "~nobody-is-called-so/x",
        "nothing": "",
        "here": ".",
        "above": "..",
        "no text": "\udcff\udcfe",
        "two lines": "a\nb",
    }


ODD = (
    "file", "empty", "binary", "folder", "dangling", "loop", "socket", "below a file",
    "below nothing", "too long", "nobody's home", "nothing", "here", "above", "no text",
    "two lines",
)  # fmt: skip
ARGUMENTS = ("file", "home", "app", "numbers", "record", "words", "data", "out")


@pytest.mark.slow
@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("odd", ODD)
def test_no_path_is_our_fault(place: Place, odd: str, argument: str, short: Path) -> None:
    path = odd_paths(short)[odd]
    setattr(place, argument, path)
    assert walk(place, about=path)


@pytest.fixture
def short(place: Place) -> Iterator[Path]:
    """A folder with a name that is short enough for a socket's."""
    folder = Path(os.path.relpath(place.folder / "o"))
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("odd", ["below a file", "nobody's home", "too long", "loop"])
def test_a_path_that_cannot_be_is_named_with_a_remedy(place: Place, odd: str, short: Path) -> None:
    path = odd_paths(short)[odd]
    for program, words in (
        (HOSPITAL, ("card", "--home", path)),
        (HOSPITAL, ("init", "--name", "X", "--home", path, "--passphrase-file", place.words)),
        (HOSPITAL, ("terms", "show", path)),
        (AGGREGATOR, ("init", "--host", "localhost", "--data", path)),
        (AGGREGATOR, ("status", place.file, "--data", path)),
    ):
        ended = typed(program, *words)
        assert not is_ours(ended), ended.said
        assert ended.code == 1, ended.said
        above, _, name = str(path).rpartition("/")
        assert name[:20] in ended.err or f"{above} is a file" in ended.err
        assert len(ended.err.rstrip("\n").splitlines()) == 2


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a pipe"])
def test_no_file_takes_the_place_of_what_is_none(tmp_path: Path, kind: str) -> None:
    """Such as a device, to which output is sent so that it goes nowhere."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link to a pipe").symlink_to("pipe")
    with pytest.raises(DiskError, match="no ordinary file"):
        files.replace(tmp_path / kind, b"data")
    with pytest.raises(DiskError, match="no ordinary file"):
        OutputFolder(tmp_path, DiskError.of).write(kind, b"data")
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)
    assert sorted(os.listdir(tmp_path)) == ["folder", "link to a pipe", "pipe"]


def test_a_folder_that_was_removed_under_the_shell_is_not_our_fault(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = place.folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    place.file, place.app = "federation.toml", "app.py"
    for words in (("terms", "show", place.file), ("report", place.record, "--out", "page.html")):
        ended = typed(HOSPITAL, *words)
        assert (ended.code in (1, 5), is_ours(ended)) == (True, False), ended.said


# ── variables ──

VARIABLES: list[dict[str, str | None]] = [
    {"HOME": None},
    {"HOME": ""},
    {"TERM": None},
    {"TERM": "nonsense", "COLUMNS": "abc"},
    {"COLUMNS": "0"},
    {"COLUMNS": "-5", "LINES": "0"},
    {"COLUMNS": "1"},
    {"NO_COLOR": "1"},
    {"FORCE_COLOR": "1"},
    {"TMPDIR": "nowhere"},
    {"TZ": "Nonsense/Place"},
    {"SSL_CERT_FILE": "nowhere", "SSL_CERT_DIR": "nowhere"},
    {"QUORATE_PASSPHRASE": ""},
    {"QUORATE_PASSPHRASE": "\udcff\udcfe long enough"},
    {"QUORATE_HOME": "~nobody-is-called-so"},
    {"QUORATE_HOME": "nowhere/x"},
    {"QUORATE_AGGREGATOR_DATA": "~nobody-is-called-so"},
    {"QUORATE_AGGREGATOR_DATA": ""},
    {"LANG": "xx", "LC_ALL": "tr_TR.UTF-8"},
    {"_QUORATE_PARTICIPANT_COMPLETE": "complete_bash"},
    {"PATH": ""},
]


@pytest.mark.parametrize("variables", VARIABLES, ids=",".join)
def test_no_variable_is_our_fault(place: Place, variables: dict[str, str | None]) -> None:
    for program, words in (
        (HOSPITAL, ("card",)),
        (HOSPITAL, ("status", place.file)),
        (AGGREGATOR, ("status", place.file)),
    ):
        ended = typed(program, *words, env=variables)
        assert not is_ours(ended), f"{program} {words}: {ended.said}"
        assert ended.code in range(6)


@pytest.mark.slow
@pytest.mark.parametrize("variables", VARIABLES, ids=",".join)
def test_no_variable_is_our_fault_in_any_command(
    place: Place, variables: dict[str, str | None]
) -> None:
    walk(place, env=variables)
    for program, word in itertools.product((HOSPITAL, AGGREGATOR), ("--help", "nonsense")):
        ended = typed(program, word, env=variables)
        assert not is_ours(ended), f"{program} {word}: {ended.said}"


AT_THE_START = [
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONWARNINGS": "error"},
    {"OMP_NUM_THREADS": "nonsense", "MKL_NUM_THREADS": "-1", "OPENBLAS_NUM_THREADS": "x"},
    {"PYTHONUNBUFFERED": "1", "TERM": "dumb"},
    {"PYTHONOPTIMIZE": "2"},
    {"PYTHONSAFEPATH": "1", "PYTHONDEVMODE": "1"},
]


def process(place: Place, package: str, *words: object, **how: Any) -> tuple[int, str]:
    """A command as a process: its exit code, and what it said on both streams."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | how.pop("env", {})
    ended = subprocess.run(
        [*how.pop("before", ()), sys.executable, "-m", package, *map(str, words)],
        env=environment, cwd=place.folder, check=False, timeout=60,
        **({"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE} | how),
        stderr=subprocess.STDOUT if "stderr" not in how else None,
    )  # fmt: skip
    return ended.returncode, (ended.stdout or b"").decode(errors="replace")


@pytest.mark.slow
@pytest.mark.parametrize("variables", AT_THE_START, ids=",".join)
def test_no_variable_of_pythons_start_is_our_fault(place: Place, variables: dict[str, str]) -> None:
    member = ("--home", place.home, "--passphrase-file", place.words)
    for package, words in (
        ("participant", ("verify", place.record)),
        ("participant", ("status", place.file, *member)),
        ("participant", ("train", place.file, "--app", place.app, *member, "--timeout", "1")),
        ("aggregator", ("init", "--host", "localhost", "--data", place.data)),
    ):
        code, said = process(place, package, *words, env=variables)
        assert not is_ours(Ended(code, said, "")), said
        assert code in range(6), said


# ── streams and signals ──


@pytest.mark.parametrize("stdin", [None, "", "y\n", "no\n"], ids=repr)
def test_no_answer_to_a_question_is_our_fault(place: Place, stdin: str | None) -> None:
    words = ("--home", place.home, "--passphrase-file", place.words)
    ended = typed(HOSPITAL, "terms", "sign", place.file, *words, stdin=stdin)
    assert not is_ours(ended), ended.said
    assert ended.code in (0, 1)


def refusing(error: OSError) -> io.TextIOWrapper:
    """A stream to which nothing can be written."""
    return io.TextIOWrapper(io.BufferedWriter(Refusing(error)), encoding="utf-8")


@pytest.mark.parametrize("program", [HOSPITAL, AGGREGATOR])
def test_a_help_that_cannot_be_written_says_why(program: str) -> None:
    ended = typed(program, "--help", stdout=refusing(OSError(28, "No space left on device")))
    assert ended.code == 1
    assert "No space left on device" in ended.err
    assert not is_ours(ended)


@pytest.mark.parametrize("program", [HOSPITAL, AGGREGATOR])
def test_an_output_that_is_full_is_said(place: Place, program: str) -> None:
    words = ("card", "--home", place.home) if program == HOSPITAL else ("status", place.file)
    data = () if program == HOSPITAL else ("--data", place.data)
    if program == AGGREGATOR:
        (place.data / "x").mkdir(parents=True)
        typed(AGGREGATOR, "init", "--host", "localhost", *data)
    stream = refusing(OSError(28, "No space left on device"))
    ended = typed(program, *words, *data, stdout=stream)
    assert ended.code == 1
    assert "No space left on device" in ended.err
    assert not is_ours(ended)


@pytest.mark.parametrize("width", ["0", "000", " 0", "1"])
def test_what_is_typed_wrong_is_told_on_a_terminal_of_any_width(width: str) -> None:
    ended = typed("quorate-participant", "train", env={"COLUMNS": width})
    assert ended.code == 2
    assert ended.err.strip()


@pytest.mark.slow
@pytest.mark.parametrize("package", ["participant", "aggregator"])
def test_streams_that_are_closed_full_or_broken_are_not_our_fault(
    place: Place, package: str
) -> None:
    streams = ("| head -c 1", ">&-", "2>&-", "<&-", "> /dev/full", ">&- 2>&- <&-")
    commands = itertools.product(("--help", "status nothing"), streams)
    for words, redirection in commands:
        line = f"{sys.executable} -m {package} {words} {redirection}"
        ended = subprocess.run(
            ["bash", "-c", line], cwd=place.folder, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60,
        )  # fmt: skip
        assert not is_ours(Ended(ended.returncode, ended.stdout, ended.stderr)), ended.stderr
        assert "Exception ignored" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGTSTP])
def test_no_signal_is_our_fault(place: Place, number: signal.Signals) -> None:
    words = ("--home", place.home, "--passphrase-file", place.words)
    train = ("train", place.file, "--study", "a", "--app", place.app, *words)
    heeding = (  # also where these tests are run with a signal ignored, as nohup has it
        "import os, signal, sys; signal.signal(int(sys.argv[1]), signal.SIG_DFL); "
        "os.execv(sys.executable, [sys.executable, '-m', 'participant', *sys.argv[2:]])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", heeding, str(int(number)), *map(str, train)],
        cwd=place.folder, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        line = running.stdout.readline()  # that the aggregator is not there
        running.send_signal(number)
        if number == signal.SIGTSTP:
            running.send_signal(signal.SIGCONT)
            running.send_signal(signal.SIGTERM)
        said = line + running.communicate(timeout=30)[0]
    assert not is_ours(Ended(running.returncode, said, "")), said


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777], ids=oct)
def test_no_umask_is_our_fault_and_none_opens_what_is_secret(place: Place, mask: int) -> None:
    before = os.umask(mask)
    try:
        place.home = place.folder / "another"
        walk(place)
    finally:
        os.umask(before)
    assert stat.S_IMODE((place.home / "identity.sealed").stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE((place.data / "identity.pem").stat().st_mode) & 0o077 == 0
