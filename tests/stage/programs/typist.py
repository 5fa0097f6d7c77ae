"""Commands of ``quorate-participant`` as they are typed, in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from participant.cli import app
from tests.stage.toy_home import PASSPHRASE, write_cards

Typed = Callable[..., str]


def typist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Types commands in a folder, with the passphrase in the environment; gives what they print.

    Of each: ``expect``, its exit code, and ``answer``, to what it asks.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setenv("QUORATE_PASSPHRASE", PASSPHRASE.text)
    runner = CliRunner()

    def typed(*words: str, expect: int = 0, answer: str | None = None) -> str:
        result = runner.invoke(app, list(words), input=answer)
        assert result.exit_code == expect, result.output
        assert "Traceback" not in result.output
        return str(result.output)

    return typed


def founder(folder: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> Typed:
    """As ``typist``, all on one line: h1 to h3 have signed terms; h4 and h5 are no members."""
    typed = typist(folder, monkeypatch)
    write_cards(folder, 5)
    chosen = ["--name", "Lungs", "--quorum", "2", "--key-bits", "256", "--allow-small-key"]
    cards = [word for i in (1, 2, 3) for word in ("--member", f"h{i}/card.toml")]
    typed("terms", "new", file, *chosen, "--aggregator", "aggregator.toml", *cards)
    for i in (1, 2, 3):
        typed("terms", "sign", file, "--home", f"h{i}", "--yes")
    return lambda *words, **more: " ".join(typed(*words, **more).split())
