"""The user's file as the module that Python itself would import, under its own name.

Worker processes that a data loader begins by spawn or forkserver import the module of every class
that they are sent, by its name. So a file is loaded under the name that it has in its folder, or in
its package; that folder is in the path of the workers too.
"""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from participant.errors import BadApp, MissingFile
from participant.flower import is_project, read_project
from protocol.errors import WrongKind
from protocol.programs.file_kind import Kind, kind_of

_INIT = "__init__.py"
_loaded: set[ModuleType] = set()  # by this function, so that none of them stands in another's way


def load_module(path: Path, run: Callable[[Callable[[], Any]], Any]) -> ModuleType:
    """Import a user's file, or a package by its folder.

    run: calls what runs the user's code, and turns what that raises into BadApp.
    Raises what ``place_of`` raises; BadApp if Python has no name to import it by.
    """
    place = place_of(path)
    importlib.invalidate_caches()  # it may have been written since this process began
    root, name = _in_package(place)
    _let_go_of_others(name)
    # So that it can import what lies beside it, with its package's name or without, as workers do.
    sys.path[:0] = [str(root), *([] if root == place.parent else [str(place.parent)])]
    for parent in _parents(name):
        if not _is_at(sys.modules.get(parent), root / parent.replace(".", "/") / _INIT):
            _check_free(parent, path)
            run(partial(importlib.import_module, parent))
    if _is_at(sys.modules.get(name), place):
        return sys.modules[name]  # its package has imported it
    spec = _found(name, root, place, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _loaded.add(module)
    assert spec.loader is not None
    run(partial(spec.loader.exec_module, module))
    return module


def place_of(path: Path) -> Path:
    """The file with an app's code: its own, or a package's; a Flower app's folder.

    Raises MissingFile or WrongKind; BadApp if it is no Python file, or if the pyproject.toml of a
    Flower app does not say what it is made of.
    """
    if is_project(path):
        read_project(path)
        return path.resolve()
    place = path / _INIT if path.is_dir() and (path / _INIT).is_file() else path
    if (kind := kind_of(place)) is None:
        raise MissingFile(path, "app")
    if kind is not Kind.FILE:
        raise WrongKind(str(path), kind, "app")
    place = place.resolve()
    if importlib.util.spec_from_file_location("app", place) is None:
        raise BadApp(str(path), "it is not a Python file (.py)")
    if _begins_with_mark_of_utf16(place):
        raise BadApp(str(path), "it is UTF-16, which Python does not read: save it as UTF-8")
    if "." in place.stem:
        raise BadApp(str(path), "Python imports no file with such dots: give it another name")
    return place


def _begins_with_mark_of_utf16(place: Path) -> bool:
    with contextlib.suppress(OSError), place.open("rb") as file:
        return file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    return False


def _in_package(place: Path) -> tuple[Path, str]:
    """The folder to import from, and the name there: dotted where the file is in a package."""
    parts = [] if place.name == _INIT else [place.stem]
    folder = place.parent
    while (folder / _INIT).is_file() and folder.name.isidentifier():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:k]) for k in range(1, len(parts))]


def _found(name: str, root: Path, place: Path, path: Path) -> ModuleSpec:
    """The spec under which every process finds this very file; raises BadApp if there is none."""
    _check_free(name, path)
    parent, _, _ = name.rpartition(".")
    folders = list(sys.modules[parent].__path__) if parent in sys.modules else [str(root)]
    spec = PathFinder.find_spec(name, folders)
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != place:
        raise BadApp(str(path), f"Python cannot import it as {name!r}: give it another name")
    return spec


def _check_free(name: str, path: Path) -> None:
    """Raises BadApp if the name is that of a module of Python's, or one that is at work here."""
    first = name.partition(".")[0]
    if first in sys.stdlib_module_names or name in sys.modules:
        reason = f"its name is that of another module, {name!r}: give the file another name"
        raise BadApp(str(path), f"{reason}, under which worker processes can import it")


def _let_go_of_others(name: str) -> None:
    """Forget an earlier app of this name."""
    for module in [m for m in _loaded if m.__name__ == name]:
        _loaded.remove(module)
        if sys.modules.get(name) is module:
            del sys.modules[name]


def _is_at(module: ModuleType | None, place: Path) -> bool:
    origin = getattr(module, "__file__", None)
    return origin is not None and Path(origin).resolve() == place.resolve()
