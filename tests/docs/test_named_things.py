"""What the pages name is what the code has: modules, files, commands, options, checks, rules."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from aggregator.cli.commands import app as of_aggregator
from participant.cli import app as of_hospital
from protocol.record.audit.checks import CHECKS
from protocol.terms.predecessor import Predecessor
from protocol.terms.terms import render, render_signature
from tests.docs.pages import OF_TODAY, PACKAGES, ROOT, fenced, ids, spans
from tests.fuzz.targets import TARGETS
from tests.stage.toy import replace_terms, toy_federation

PROGRAMS = {
    "quorate-participant": get_command(of_hospital),
    "quorate-aggregator": get_command(of_aggregator),
}
FOLDERS = (*PACKAGES, "benchmarks", "docs", "examples", "integrations", "tests")
# Words between backticks that are of others' programs or of the reader's own files.
OF_OTHERS = {
    "ModelLearner", "PIP_EXTRA_INDEX_URL", "TensorClientStreamer", "evaluate_fn",
    "passagemath-standard-no-symbolics", "process_logs", "simulate_job",
}  # fmt: skip


@cache
def words_of_code() -> set[str]:
    """Words in all code, of tests and examples too, and in the build's files."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    files += [ROOT / "Makefile", ROOT / "pyproject.toml"]
    texts = [path.read_text() for path in files if path.parent.name != "docs"]
    return {word for text in texts for word in re.findall(r"\w+(?:-\w+)*", text)}


@cache
def file_names() -> set[str]:
    return {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*")}


@cache
def defined(path: Path) -> set[str]:
    """Names that a module has, and those of its classes' members."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.asname or alias.name for alias in node.names)
    return found


def is_there(dotted: str) -> bool:
    """Whether a name with dots is a module, a package, or something in one."""
    here, parts = ROOT, dotted.split(".")
    while parts and (here / parts[0]).is_dir():
        here /= parts.pop(0)
    if parts and (here / parts[0]).with_suffix(".py").exists():
        here = (here / parts.pop(0)).with_suffix(".py")
    elif parts:
        here /= "__init__.py"
    return not parts or (here.exists() and {*parts} <= defined(here))


@cache
def settings() -> set[str]:
    """What stands in the file of the terms, as table and key with a dot between."""
    toy = toy_federation()
    terms = replace_terms(toy.terms, predecessor=Predecessor(bytes(32), "handover"))
    text = render(terms, toy.card) + render_signature("A", bytes(64))
    tables = {name: t if isinstance(t, dict) else t[0] for name, t in tomllib.loads(text).items()}
    return {f"{name}.{key}" for name, table in tables.items() for key in table}


def test_the_settings_of_the_terms_are_those_of_their_page() -> None:
    page = (ROOT / "docs/how-it-works/terms.md").read_text()
    rows = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(.+?)`", row)} == settings()


@pytest.mark.parametrize("page", OF_TODAY, ids=ids(OF_TODAY))
def test_every_module_and_file_that_a_page_names_is_there(page: Path) -> None:
    for span in spans(page):
        if re.fullmatch(rf"({'|'.join(FOLDERS)})(/[\w.-]+)*/?", span):
            assert (ROOT / span).exists(), span
        elif re.fullmatch(r"\w+\.py", span):
            assert span in file_names(), span
    dotted = rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})(?:\.\w+)+(?![\w/])"
    for name in re.findall(dotted, page.read_text()):
        of_a_file = re.search(r"\.(toml|txt|md|py|svg|example\.org)$", name)
        assert of_a_file or name in settings() or is_there(name), name


def commands(text: str) -> list[tuple[Any, list[str], str]]:
    """Each command that a text has: what it is in the program, its options, the words."""
    found: list[tuple[Any, list[str], str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        for program, said in re.findall(
            r"(quorate-(?:participant|aggregator))\b([^|;&#()]*)", line
        ):
            command: Any = PROGRAMS[program]
            words = said.split()
            while hasattr(command, "commands") and words and re.fullmatch(r"[a-z-]+", words[0]):
                if words[0] not in command.commands:
                    found.append((None, [], f"{program}{said}"))
                    break
                command = command.commands[words.pop(0)]
            else:
                options = [w.partition("=")[0] for w in words if w.startswith("--")]
                found.append((command, options, f"{program}{said}"))
    return found


@pytest.mark.parametrize("page", OF_TODAY, ids=ids(OF_TODAY))
def test_every_command_that_a_page_has_typed_is_one_of_the_programs(page: Path) -> None:
    for text in [*fenced(page), *spans(page)]:
        for command, options, said in commands(text):
            assert command is not None, said
            there = {name for parameter in command.params for name in parameter.opts}
            assert {*options} <= there | {"--help"}, said


def test_the_checks_of_a_record_are_those_of_its_page() -> None:
    page = (ROOT / "docs/how-it-works/record.md").read_text()
    listed = re.findall(r"^\| (\d\.\d+) \|", page, re.MULTILINE)
    assert listed == [check.number for check in CHECKS]


def test_the_targets_of_fuzzing_are_those_of_its_page() -> None:
    page = (ROOT / "docs/security/fuzzing.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", page, re.MULTILINE)
    assert dict(rows) == {name: target.decoder for name, target in TARGETS.items()}


@pytest.mark.parametrize("page", OF_TODAY, ids=ids(OF_TODAY))
def test_every_check_that_a_page_names_is_one_of_the_record(page: Path) -> None:
    found = re.findall(r"\b[Cc]hecks? (\d\.\d+)\b", page.read_text())
    assert {*found} <= {check.number for check in CHECKS}
    counts = re.findall(r"\b(\d+) numbered checks", page.read_text())
    assert {*counts} <= {str(len(CHECKS))}


def test_the_rules_of_a_round_are_those_of_its_page() -> None:
    """A hospital refuses by a rule's name; the page has all of them in one table."""
    said = r"(?:_refuse\(|Refused\(self\.view\.name, )\"([a-z-]+)\""
    rules = {
        name
        for path in (ROOT / "protocol/rounds").glob("*.py")
        for name in re.findall(said, path.read_text())
    }
    page = (ROOT / "docs/how-it-works/rounds.md").read_text()
    assert {*re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)} == rules


@pytest.mark.parametrize("page", OF_TODAY, ids=ids(OF_TODAY))
def test_every_event_that_a_page_names_is_one_of_the_programs(page: Path) -> None:
    said = re.findall(r"\bevent(?: `| +\")([a-z ]+)[`\"]", page.read_text())
    assert {*said} <= events(), page


@cache
def events() -> set[str]:
    """Values of "event" in what the hospital's program writes as JSON."""
    files = (ROOT / "participant").rglob("*.py")
    return {e for path in files for e in re.findall(r'"event": "([a-z ]+)"', path.read_text())}


@pytest.mark.parametrize("page", OF_TODAY, ids=ids(OF_TODAY))
def test_every_setting_and_message_that_a_page_names_is_in_the_code(page: Path) -> None:
    """A word with an underscore, a hyphen or a capital inside is nobody's but the code's."""
    for span in spans(page):
        word = span.partition(" = ")[0]
        if re.fullmatch(r"[a-z]+([_-][a-z0-9]+)+|[A-Z][a-z]+([A-Z][a-z]+)+|[A-Z]+_[A-Z_]+", word):
            assert word in OF_OTHERS or word in words_of_code(), word
