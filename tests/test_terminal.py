"""Nothing writes to a terminal or a log but the modules through which foreign text is shown."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WRITERS = {
    "aggregator/cli/event_log.py",
    "aggregator/cli/terminal.py",
    "participant/cli/views/terminal.py",
}
DRAWERS = {
    "participant/cli/views/ceremony.py",
    "participant/cli/views/transfer.py",
}  # redraw in place, with rich
METHODS = {"echo", "secho", "echo_via_pager", "confirm", "prompt", "StreamHandler", "FileHandler"}
CALLS = {"print", "input", "sys.stdout.write", "sys.stderr.write", "logging.basicConfig"}

LAST = METHODS | {call.rpartition(".")[2] for call in CALLS}


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def _last(function: ast.expr) -> str:
    """The last name of what is called."""
    return str(getattr(function, "id", "") or getattr(function, "attr", ""))


def writes(name: str, module: ast.Module) -> Iterator[str]:
    """What in a module writes to a terminal by itself."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and _last(node.func) in LAST:
            called = ast.unparse(node.func)
            if called in CALLS or called.rpartition(".")[2] in METHODS:
                yield called
        imported = []
        if isinstance(node, ast.ImportFrom) and name not in DRAWERS:
            imported = [node.module or ""]
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        yield from (found for found in imported if found.partition(".")[0] == "rich")


@pytest.mark.parametrize("package", ["keyshare", "protocol", "participant", "aggregator"])
def test_only_the_modules_that_show_foreign_text_write(package: str) -> None:
    for name, module in modules(package):
        found = set(writes(name, module))
        if name in WRITERS:
            assert found, f"{name} writes nothing any more"
        else:
            assert not found, f"{name} writes by {sorted(found)}; use say of its package's terminal"
