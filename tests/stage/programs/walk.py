"""Both programs, typed without a process of their own, in whatever surroundings."""

import contextlib
import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import participant.cli
from aggregator.cli import commands as aggregator_cli
from tests.stage.toy_home import cheap_argon2id

PROGRAMS = {"quorate-participant": participant.cli.main, "quorate-aggregator": aggregator_cli.main}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


class _Left(Exception):
    pass


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


def mark(path: Path) -> str:
    """A short name for a path in a test's id."""
    return path.name
