"""A command that is printed can be pasted into a shell, whatever its paths are called."""

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import aggregator.cli.sentences as aggregator_sentences
from aggregator.errors import UnfitTerms
from participant.cli import app
from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.errors import MissingFile, OutOfTime
from participant.waiting import Waiting
from protocol.errors import UnsignedTerms
from protocol.words.foreign import line, pasted
from tests.stage.toy import toy_federation
from tests.stage.toy_home import PASSPHRASE, write_cards

ROOT = Path(__file__).parents[3]
NAMES = [
    "federation.toml",
    "My Study's files/federation (final).toml",
    'a "quoted" name',
    "a & b; c | d > e",
    "$HOME and `id` and $(id) and !! and \\n",
    "-x.toml",
    "--home",
    "~",
    "~root/x",
    "*?[a]{b,c}#%=^",
    "Zürich/東京/بیمارستان.toml",
    "a\nb\tc\r\x1b[2J",
    "it's\n$HOME\\100%s!!",
    "\u202egpj.exe",
    "\ufeffmarked",
    "a\u200bb\u00ad7",
    "\udcff\udcfe7",  # bytes that are no text
    "two  blanks ",
    "x\u0301\u0302\u0303\u0304\u0305\u0306",
]


def taken(commands: list[str], shell: str = "bash") -> list[list[str]]:
    """The words of each command, as a shell takes them."""
    script = "".join(
        f"set -- {command}\nprintf '%s\\0' \"$@\"; printf '\\0'\n" for command in commands
    )
    ended = subprocess.run(
        [shell], input=os.fsencode(script), capture_output=True, check=True, timeout=30
    )
    assert ended.stderr == b""
    found = ended.stdout.split(b"\0\0")
    return [[os.fsdecode(word) for word in words.split(b"\0")] for words in found if words]


def as_a_path(name: str) -> str:
    return f"./{name}" if name.startswith("-") else name


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_shell_takes_every_path_for_one_word(shell: str) -> None:
    commands = [f"quorate-participant status {pasted(name)} -- end" for name in NAMES]
    assert commands == [line(command) for command in commands]  # nothing is escaped once more
    for name, words in zip(NAMES, taken(commands, shell), strict=True):
        assert words == ["quorate-participant", "status", as_a_path(name), "--", "end"]


def remedies(name: str) -> Iterator[str]:
    """What sentences tell people to type, of terms and a data folder called so."""
    c = Context(Path(name), Path(name), toy_federation().terms, is_home_given=True)
    yield describe(UnsignedTerms(["H1"], []), c).remedy
    joining = Waiting("join", (1, 2), {"session": "ceremony/1", "step": "join"})
    yield describe(OutOfTime(2.0, joining), c).remedy.partition(";")[0]
    yield describe(MissingFile(Path(name), "key share"), c).remedy.partition(" --home ")[0]
    unsigned = UnfitTerms(Path(name), UnsignedTerms(["H1"], []))
    yield aggregator_sentences.sentences(unsigned)[1]


def test_the_remedies_of_both_programs_can_be_pasted() -> None:
    names = [name for name in NAMES if str(Path(name)) == name and ";" not in name]
    said = [text for name in names for text in remedies(name)]
    commands = [text[text.index("quorate-participant") :] for text in said]
    found = taken(commands)
    for name, words in zip([n for n in names for _ in range(4)], found, strict=True):
        assert words[0] == "quorate-participant"
        assert as_a_path(name) in words


def test_a_data_folder_that_was_given_is_in_the_commands_of_its_hospital() -> None:
    given = Context(Path("h 1"), Path("f.toml"), is_home_given=True)
    assert given.here == "f.toml --home 'h 1'"
    assert given.pasted == "f.toml"
    assert Context(Path("h 1"), Path("f.toml")).here == "f.toml"


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of ``terms new``, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUORATE_PASSPHRASE", PASSPHRASE.text)
    words = ["--name", "T", "--quorum", "2", "--key-bits", "512", "--allow-small-key"]
    return [*words, *write_cards(tmp_path)]


@pytest.mark.parametrize("name", ["My Study's files/terms (final).toml", "a\n$HOME.toml", "./-x"])
def test_the_next_command_of_the_founding_can_be_pasted(name: str, cards: list[str]) -> None:
    Path(name).parent.mkdir(exist_ok=True)

    def typed(*words: Any) -> str:
        found = CliRunner().invoke(app, [str(word) for word in words])
        assert found.exit_code == 0, found.output
        return str(found.output.splitlines()[-1])

    said = [typed("terms", "new", name, *cards)]
    for i in (1, 2, 3):
        typed("terms", "sign", name, "--home", f"h{i}", "--yes")
    said.append(typed("terms", "show", name))
    commands = [text[text.index("quorate-participant") :] for text in said]
    path = as_a_path(str(Path(name)))
    sign, ceremony = taken(commands)
    assert sign == ["quorate-participant", "terms", "sign", path]
    assert ceremony == ["quorate-participant", "ceremony", path]


# ── every printed command is made so ──

PROGRAM = re.compile(r"quorate-(participant|aggregator) ")
SAFE_CALLS = ("pasted(", "c.name")
HOLDERS = ("c", "context", "ctx.obj", "given.context", "self")
QUOTED = {"here", "names"} | {
    f"{c}.{given}" for c in HOLDERS for given in ("pasted", "here", "there")
}
BARE = re.compile(r"(COMMAND\}|quorate-)[^\"\n]*\{+(c\.file|e\.path|file|out)\b")
# A study's name is letters, digits, dots, dashes and underscores, which no shell reads otherwise.
STUDIES = {"session", "study", "study.name", "name", "e.study", "found['study']"}
OF_OURS = (
    STUDIES
    | {"command", "needed", "CARD_NAME"}
    | {"_COMMAND", "COMMAND", "name", "task.session", "e.session", "e.command", "what", "self"}
)


def commands(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What is put into texts after the name of a program, by the line of the code."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        is_command = False
        for part in node.values:
            if isinstance(part, ast.Constant):
                is_command |= bool(PROGRAM.search(str(part.value)))
                continue
            assert isinstance(part, ast.FormattedValue)
            found = ast.unparse(part.value)
            if is_command:
                yield node.lineno, found
            is_command |= found in ("_COMMAND", "COMMAND")


@pytest.mark.parametrize("package", ["participant", "aggregator"])
def test_no_printed_command_holds_a_bare_path(package: str) -> None:
    found = 0
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text())
        for number, value in commands(tree):
            is_safe = value in QUOTED | OF_OURS or value.startswith(SAFE_CALLS)
            assert is_safe, f"{path.name}:{number}: {value}"
            found += 1
        assert not BARE.search(path.read_text()), path.name
    assert found > 1
