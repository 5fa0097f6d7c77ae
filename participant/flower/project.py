"""The pyproject.toml of a Flower app: which objects it is made of, and how it is set."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from participant.errors import BadApp, DiskError
from protocol.errors import Malformed

NODE_CONFIG = "QUORATE_NODE_CONFIG"  # the variable of an app's process with its node config
Value = bool | int | float | str
_FILE = "pyproject.toml"
_MOST_BYTES = 1 << 18
_MOST_DOTS = 500  # on a line: the time for a key grows with the square of its parts
_APP = "tool.flwr.app"
_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_COMPONENT = re.compile(f"{_NAME}:{_NAME}")
_SETTING = re.compile(r"\s*([^\s='\"]+)=('[^']*'|\"[^\"]*\"|[^\s'\"]+)(?=\s|$)")


@dataclass(frozen=True)
class FlowerProject:
    """``module:object`` of both components, and the run config, nested tables joined by dots."""

    serverapp: str
    clientapp: str
    config: Mapping[str, Value]


def is_project(path: Path) -> bool:
    """Whether a path is that of a Flower app's folder, and not of a Python package."""
    return (path / _FILE).is_file() and not (path / "__init__.py").is_file()


def read_project(folder: Path) -> FlowerProject:
    """What the folder's pyproject.toml says; raises BadApp and DiskError."""
    path = folder / _FILE
    try:
        with path.open("rb") as file:
            return project_in(file.read(_MOST_BYTES + 1))
    except OSError as error:
        raise DiskError.of(path, error) from None
    except Malformed as error:
        raise BadApp(str(path), str(error)) from None


def project_in(data: bytes) -> FlowerProject:
    """What the bytes of a pyproject.toml say; raises Malformed."""
    if len(data) > _MOST_BYTES:
        raise Malformed(_FILE, f"more than {_MOST_BYTES} bytes")
    if any(line.count(b".") > _MOST_DOTS for line in data.splitlines()):
        raise Malformed(_FILE, f"a line with more than {_MOST_DOTS} dots")
    app = _table(_toml(data), _APP.split("."))
    components = _table(app, ["components"])
    return FlowerProject(
        _component(components, "serverapp"),
        _component(components, "clientapp"),
        _joined(_table(app, ["config"]), f"{_APP}.config"),
    )


def node_config_in(text: str) -> dict[str, Value]:
    """Settings as Flower spells them: ``partition-id=0 site="north"``; raises Malformed."""
    lines, at = [], 0
    while text[at:].strip():
        if (found := _SETTING.match(text, at)) is None:
            raise Malformed("node config", f"{text[at:].strip()[:80]!r} is not NAME=VALUE")
        lines.append(f"{found[1]} = {found[2]}")
        at = found.end()
    try:
        settings = tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError) as error:
        hint = "values are numbers, true, false or quoted texts"
        raise Malformed("node config", f"{hint} ({error})") from None
    return _joined(settings, "node config")


def _toml(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # also of what is no UTF-8
        raise Malformed(_FILE, f"it is no TOML ({error})") from None


def _table(within: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """A table in another; empty where there is none."""
    for name in names:
        within = within.get(name, {})
        if not isinstance(within, dict):
            raise Malformed(_FILE, f"{name} is not a table")
    return within


def _component(components: dict[str, Any], kind: str) -> str:
    found = components.get(kind)
    if found is None:
        raise Malformed(_FILE, f"it has no {kind} in [{_APP}.components], as a Flower app has")
    if not isinstance(found, str) or not _COMPONENT.fullmatch(found):
        raise Malformed(_FILE, f"its {kind} is {found!r}, and not module:object")
    if "__pycache__" in re.split("[.:]", found):
        raise Malformed(_FILE, f"its {kind} is in __pycache__, which the app's hash leaves out")
    return found


def _joined(table: dict[str, Any], where: str) -> dict[str, Value]:
    try:
        return dict(_flat(table, where))
    except RecursionError:
        raise Malformed(where, "it has tables within tables, and too many") from None


def _flat(table: dict[str, Any], where: str, before: str = "") -> Iterator[tuple[str, Value]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, where, f"{before}{name}.")
        elif isinstance(value, Value):
            yield f"{before}{name}", value
        else:
            raise Malformed(where, f"{before}{name} is no number, text, true or false")
