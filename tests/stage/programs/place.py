"""An aggregator's command typed here, its folder after ``init``, and ``serve`` as a process."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import aggregator.cli.commands as cli
from examples.demo.processes import free_port
from participant.home.terms_file import read_aggregator_card
from protocol.board.board import Board
from protocol.messages.ceremony import Join
from protocol.terms.terms import Terms
from protocol.wire.frames import Submit
from tests.stage.caller import HOST, stranger
from tests.stage.toy import Federation, next_post, toy_federation

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command here; its exit code, output and errors."""

    def run_command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["quorate-aggregator", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        code = ended.value.code
        assert "Traceback" not in captured.err
        return (code if isinstance(code, int) else 0), captured.out, captured.err

    return run_command


def refused(run: Run, *arguments: object) -> str:
    """What a command says that fails."""
    code, _, err = run(*arguments)
    assert code == 1, err
    return err


@dataclass
class Place:
    """A data folder after ``init``, and signed terms that name it."""

    data: Path
    file: Path
    federation: Federation
    port: int

    @property
    def terms(self) -> Terms:
        return self.federation.terms

    @property
    def store(self) -> Path:
        return self.data / self.terms.federation.hex()[:16]

    @property
    def words(self) -> tuple[object, ...]:
        """The terms and the folder, as commands take them."""
        return self.file, "--data", self.data


@pytest.fixture
def place(tmp_path: Path, run: Run) -> Place:
    port, data = free_port(), tmp_path / "data"
    assert run("init", "--host", HOST, "--port", port, "--data", data)[0] == 0
    federation = toy_federation(3, 2).at(read_aggregator_card(data / "aggregator.toml"))
    file = tmp_path / "federation.toml"
    file.write_text(federation.signed_text())
    return Place(data, file, federation, port)


def refused_to_serve(run: Run, place: Place, *options: str) -> str:
    """What ``serve`` says that fails; no file is left here that could have a secret in it."""
    said = refused(run, "serve", *place.words, *options)
    assert not list(Path().glob("quorate-aggregator-*.txt"))
    assert "Internal" not in said
    return said


@contextmanager
def service(place: Place, *options: str) -> Iterator[subprocess.Popen[str]]:
    """``serve`` as a process of its own, ready."""
    command = ["-m", "aggregator", "serve", str(place.file), "--data", str(place.data)]
    with subprocess.Popen(
        [sys.executable, *command, *options], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until_it_serves(process)
            yield process
        finally:
            process.kill()


def until_it_serves(process: subprocess.Popen[str]) -> None:
    """Before it says so, it may say of a bucket what hospitals may do there."""
    assert process.stderr is not None
    line = process.stderr.readline()
    if "by themselves" in line:
        line = process.stderr.readline()
    assert "serving on" in line, line


def join(place: Place, member: int) -> Submit:
    """The first post of a member, on a board where it has said nothing."""
    key, said = place.federation.keys[member], Join(b"k", bytes(32))
    return Submit(next_post(key, Board(place.terms), "ceremony/1", member, said))


async def submit(place: Place, member: int) -> object:
    """Say something to the running service."""
    async with stranger(place.port, place.federation) as line:
        await line.introduce(member, place.federation.keys[member])
        return await line.ask(join(place, member))
