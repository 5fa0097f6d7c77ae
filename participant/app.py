"""The user's training code: a Python file, and what becomes of its errors.

The file has the functions ``initial_parameters(config)``, ``fit(parameters, config)`` and
``evaluate(parameters, config)``, or an object called ``app`` with these methods. Beside them it may
have ``local_entries``: patterns such as "*.running_mean" of the parameters that stay at home.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from participant.app_module import load_module
from participant.errors import BadApp
from participant.files import make_folder, write_new
from protocol.foreign import lines, shown

FUNCTIONS = {
    "initial_parameters": "config",
    "fit": "parameters, config",
    "evaluate": "parameters, config",
}
_MESSAGE = 1_000  # characters of an app's own error; the file has all


@dataclass(frozen=True)
class LoadedApp:
    """The functions of a user's file; what they raise becomes BadApp, the traceback a file."""

    path: Path
    functions: Mapping[str, Callable[..., Any]]
    errors_folder: Path
    local_entries: tuple[str, ...] = ()

    def initial_parameters(self, config: dict[str, Any]) -> Any:
        """The model before round 1."""
        return self._call("initial_parameters", config)

    def fit(self, parameters: Any, config: dict[str, Any]) -> Any:
        """Train on local data."""
        return self._call("fit", parameters, config)

    def evaluate(self, parameters: Any, config: dict[str, Any]) -> Any:
        """Score on local data."""
        return self._call("evaluate", parameters, config)

    def _call(self, name: str, *arguments: Any) -> Any:
        return _run_user_code(
            lambda: self.functions[name](*arguments), name, self.path, self.errors_folder
        )


def load_app(path: Path, errors_folder: Path) -> LoadedApp:
    """Run a user's file and take its functions; raises MissingFile, WrongKind or BadApp.

    Its functions belong into the thread that this is called in.
    """
    module = load_module(path, lambda code: _run_user_code(code, str(path), path, errors_folder))
    source = getattr(module, "app", module)
    functions = {name: getattr(source, name, None) for name in FUNCTIONS}
    for name, function in functions.items():
        if not callable(function):
            raise BadApp(str(path), f"it has no function {name}({FUNCTIONS[name]})")
    found = {name: function for name, function in functions.items() if function}
    return LoadedApp(path, found, errors_folder, _local_entries(source, path))


def _local_entries(source: object, path: Path) -> tuple[str, ...]:
    patterns = getattr(source, "local_entries", ())
    if not isinstance(patterns, list | tuple) or not all(isinstance(p, str) for p in patterns):
        raise BadApp(str(path), "local_entries is not a list of patterns of names")
    return tuple(patterns)


def _run_user_code(code: Callable[[], Any], name: str, path: Path, errors_folder: Path) -> Any:
    try:
        return code()
    except (Exception, SystemExit) as error:
        details = keep_traceback(error, errors_folder)
        what = f"{type(error).__name__}: {shown(str(error), _MESSAGE)}"
        reason = f"{what} ({_place(error, path)}); details in {details}"
        raise BadApp(name, reason) from None


def keep_traceback(error: BaseException, folder: Path) -> Path:
    """Write an error's traceback to a new file in ``folder`` and return its path."""
    make_folder(folder)
    now = datetime.now(UTC)
    path = folder / f"error-{now:%Y%m%dT%H%M%S}-{now.microsecond:06}.txt"
    write_new(path, lines("".join(traceback.format_exception(error))).encode())
    return path


def _place(error: BaseException, path: Path) -> str:
    """``file:line`` of the innermost frame in the user's file, or where it does not parse."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).resolve() == path.resolve()] or list(frames)
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"
