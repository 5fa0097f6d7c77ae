"""Every option that a sentence or a document tells people to type is one that a program has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from aggregator.cli.commands import app as of_aggregator
from participant.cli import app as of_hospital
from tests.docs.pages import OF_TODAY, ids

ROOT = Path(__file__).parent.parent
PACKAGES = ("keyshare", "protocol", "participant", "aggregator")
DOCUMENTS = ids([page for page in OF_TODAY if page.name != "CONTRIBUTING.md"])
FOR_HOSPITALS = ("README.md", "docs/tutorial.md")  # which surely name options
NAMED = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
STYLES = ROOT / "participant/report/style.py"  # whose variables begin alike
# Of Dask, the benchmarks, fuzzing, and Flower's SuperNode.
OF_OTHERS = {
    "--nthreads",
    "--no-dashboard",
    "--protocol",
    "--tls-ca-file",
    "--help",
    "--mbit",
    "--delay-ms",
    "--peer",
    "--jobs",
    "--node-config",
}
GATE = ROOT / "integrations/quorate_flower/quorate_flower/gate/command.py"  # needs Flower to run
SITE = ROOT / "integrations" / "quorate_nvflare" / "quorate_nvflare" / "site.py"


def options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        yield from parameter.opts
    for below in getattr(command, "commands", {}).values():
        yield from options(below)


OF_GATE = set(re.findall(r'add\(\s*"(--[a-z-]+)"', GATE.read_text()))
OF_SITE = set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', SITE.read_text()))
THERE = {*options(get_command(of_hospital)), *options(get_command(of_aggregator))} | OF_OTHERS


def texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("package", PACKAGES)
def test_every_option_in_a_text_of_the_programs_is_one_of_theirs(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        for text in texts(path) if path != STYLES else ():
            assert {*NAMED.findall(text)} <= THERE, path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_option_in_a_document_is_one_of_the_programs(document: str) -> None:
    lines = (ROOT / document).read_text().splitlines()
    found = {name for line in lines if "python -m" not in line for name in NAMED.findall(line)}
    assert found or document not in FOR_HOSPITALS, "the check must see what it is about"
    of_adapter = OF_GATE if "flower" in document else OF_SITE if "nvflare" in document else set()
    assert found <= THERE | of_adapter, document
