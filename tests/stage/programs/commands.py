"""Both programs, typed without a process of their own, in whatever surroundings, or all through.

What commands are about can each be replaced by something odd.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import participant.cli
from aggregator.cli import commands as aggregator_cli
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import cheap_argon2id, member_at, write_record

HOSPITAL, AGGREGATOR = "quorate-participant", "quorate-aggregator"
PROGRAMS = {HOSPITAL: participant.cli.main, AGGREGATOR: aggregator_cli.main}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def typed(
    program: str,
    *words: object,
    env: Mapping[str, str | None] | None = None,
    stdin: Any = "",
    stdout: Any = None,
) -> Ended:
    """A command; None in ``env`` takes a variable away, ``stdin`` None closes it."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    environment = {k: v for k, v in os.environ.items() if k not in (env or {})}
    environment |= {k: v for k, v in (env or {}).items() if v is not None}

    def leave(code: int) -> None:
        raise SystemExit(code)

    with contextlib.ExitStack() as patched:
        for patcher in (
            patch.dict(os.environ, environment, clear=True),
            patch.object(sys, "argv", [program, *map(str, words)]),
            patch.object(sys, "stdin", io.StringIO(stdin) if isinstance(stdin, str) else stdin),
            patch.object(sys, "stdout", out if stdout is None else stdout),
            patch.object(sys, "stderr", err),
            patch.object(os, "_exit", leave),
            patch("participant.home.passphrase._has_terminal", lambda: False),
            patch("participant.home.sealed_file.Argon2id", cheap_argon2id),
        ):
            patched.enter_context(patcher)
        try:
            PROGRAMS[program]()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return Ended(code if isinstance(code, int) else int(code is not None), *texts)


def is_ours(ended: Ended) -> bool:
    """Whether a command ended in what is for our defects alone."""
    said = ended.said.lower()
    return "internal error" in said or "traceback" in said or "please report" in said


SOON = ("--timeout", "0.1")
APP = """
def initial_parameters(config): return []
def fit(parameters, config): return [], 1, {}
def evaluate(parameters, config): return 0.0, 1, {}
"""


@dataclass
class Place:
    """What commands are about; each can be replaced by something odd."""

    folder: Path
    file: Any
    home: Any
    app: Any
    numbers: Any
    record: Any
    words: Any
    data: Any
    out: Any = None

    def somewhere(self) -> Any:
        """Where output goes: a new path, unless an odd one is tried."""
        number = len(list(self.folder.glob("out-*")))
        return self.folder / f"out-{number}" if self.out is None else self.out

    def of_hospital(self) -> Iterator[tuple[object, ...]]:
        """Every command of a hospital."""
        home = ("--home", self.home, "--passphrase-file", self.words)
        file, out = self.file, self.somewhere
        yield "init", "--name", "X", *home
        yield "card", "--home", self.home
        cards = ("--member", self.record, "--aggregator", self.numbers, "--quorum", "2")
        yield "terms", "new", out(), "--name", "T", *cards
        yield "terms", "show", file
        yield "terms", "sign", file, "--yes", *home
        yield "status", file, *home
        yield "status", file, *home, "--json"
        yield "public-key", file, *home, "--phe", "--out", out()
        yield "key", "check", file, *home
        yield "key", "backup", file, *home, "--out", out(), "--backup-passphrase-file", self.words
        yield "key", "restore", self.record, file, *home, *SOON
        yield "key", "passphrase", file, *home, "--new-passphrase-file", self.words
        yield "verify", self.record
        yield "report", self.record, "--out", out(), "--journal", self.numbers
        yield "contribute", self.numbers, "--federation", file, "--study", "a", *home, *SOON
        yield "decrypt", file, "--study", "a", "--round", "1", *home, *SOON
        yield "ceremony", file, *home, *SOON
        yield "train", file, "--study", "a", "--app", self.app, *home, *SOON
        yield "study", "list", file, *home, *SOON
        yield "study", "show", "a", file, *home, *SOON
        yield "study", "approve", "a", file, "--yes", *home, *SOON
        yield "train", file, *home
        yield "export", file, *home, *SOON, "--out", out()
        yield "verdict", file, *home, *SOON

    def of_aggregator(self) -> Iterator[tuple[object, ...]]:
        """Every command of an aggregator but one that would serve."""
        data = ("--data", self.data)
        yield "init", "--host", "localhost", *data
        yield "status", self.file, *data
        yield "export", self.file, *data, "--out", self.somewhere()
        yield "serve", self.file, *data, "--port", "0", "--tls-cert", self.file, "--tls-key", "x"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A hospital with its key, its record and an app; nothing outside the folder is home."""
    toy = toy_epoch(3, 2)
    member_at(tmp_path / "home", 1, toy)
    (tmp_path / "federation.toml").write_text(toy.federation.signed_text())
    write_record(tmp_path / "record", toy, toy.table.entries[:2])
    (tmp_path / "n.csv").write_text("men,3\n")
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "words").write_text("correct horse\n")
    (tmp_path / "here" / "cwd").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "cwd")
    monkeypatch.setenv("HOME", str(tmp_path / "at-home"))
    return Place(  # type: ignore[call-arg]
        tmp_path,
        *(tmp_path / name for name in ("federation.toml", "home", "app.py", "n.csv", "record")),
        tmp_path / "words",
        tmp_path / "aggregator",
    )


def walk(
    place: Place, aggregators: bool = True, about: object = None, **typing: Any
) -> list[Ended]:
    """Type every command, or each that names what it is about, and see how it ends."""
    ends = []
    both = ((HOSPITAL, place.of_hospital()), (AGGREGATOR, place.of_aggregator()))
    for program, commands in both[: 1 + aggregators]:
        for words in commands:
            if about is not None and about not in words:
                continue
            ended = typed(program, *words, **typing)
            assert not is_ours(ended), f"{program} {words}: {ended.said}"
            assert ended.code in range(6), f"{program} {words}: {ended.code}"
            assert not ended.code or ended.said, f"{program} {words} says nothing"
            ends.append(ended)
    return ends
