# SPDX-License-Identifier: Apache-2.0
"""The apps in examples/, as they are and as they were before quorate."""

import importlib
import re
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flwr.app import Context, RecordDict
from flwr.serverapp import Grid

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Change:
    """A block of a README's diff: lines of one file."""

    file: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


def changes(name: str) -> list[Change]:
    """What the example's README says that quorate changes."""
    (diff,) = re.findall(r"```diff\n(.*?)```", (EXAMPLES / name / "README.md").read_text(), re.S)
    files = re.split(r"^--- ", diff, flags=re.M)[1:]
    found = []
    for one in files:
        file, *lines = one.splitlines()
        removed, added = (tuple(x[1:] for x in lines if x[0] == sign) for sign in "-+")
        found.append(Change(file, removed, added))
    return found


def before(name: str, into: Path) -> Path:
    """A copy of the example without quorate: its README's diff, the other way round."""
    folder = into / name
    shutil.copytree(EXAMPLES / name, folder)
    for change in changes(name):
        path = folder / change.file
        lines = path.read_text().splitlines()
        old = list(change.removed)
        for line in change.added:
            at = lines.index(line)  # the import of quorate_mod has nothing in its place
            has_old = not line.startswith("from") or (old[:1] and old[0].startswith("from"))
            lines[at : at + 1] = [old.pop(0)] if has_old else []
        assert not old
        path.write_text("\n".join(lines) + "\n")
    return folder


@dataclass(frozen=True)
class App:
    """An app folder, loaded: its ClientApp, its ServerApp and its config."""

    client: Any
    server: Any
    config: dict[str, Any]

    def run(self, grid: Grid, **config: Any) -> None:
        """The ServerApp, to its end."""
        context = Context(
            run_id=7, node_id=0, node_config={}, state=RecordDict(), run_config=self.config | config
        )
        self.server(grid=grid, context=context)


def load(folder: Path) -> App:
    """As Flower loads it; another copy that was loaded before is forgotten."""
    said = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
    package = said["components"]["clientapp"].partition(".")[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        client, server = (_object(said["components"][kind]) for kind in ("clientapp", "serverapp"))
    finally:
        sys.path.remove(str(folder))
    return App(client, server, said["config"])


def _object(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
