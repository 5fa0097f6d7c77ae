"""The user's training code: a Python file or a Flower app, and what becomes of its errors.

The file has the functions ``initial_parameters(config)``, ``fit(parameters, config)`` and
``evaluate(parameters, config)``, or an object called ``app`` with these methods. Beside them it may
have ``local_entries``: patterns such as "*.running_mean" of the parameters that stay at home. Of a
Flower app's folder, ``participant.flower`` makes such an object.
"""

import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from participant.agent import Stopped
from participant.app.errors_file import keep_traceback
from participant.app.forked import end_fork
from participant.app.module import load_module
from participant.errors import BadApp
from participant.flower import is_project, load_flower_app
from protocol.programs.streams import occupy
from protocol.words import shown

FUNCTIONS = {
    "initial_parameters": "config",
    "fit": "parameters, config",
    "evaluate": "parameters, config",
}
_MESSAGE = 1_000  # characters of an app's own error; the file has all


class NumpyErrors:
    """What an app has numpy do at an overflow and the like: it holds in its own code alone."""

    def __init__(self) -> None:
        self._chosen: dict[str, Any] = {}

    def around(self, code: Callable[[], Any]) -> Any:
        """What ``code`` returns."""
        with np.errstate(**self._chosen):
            try:
                return code()
            finally:
                self._chosen = dict(np.geterr())


@dataclass(frozen=True)
class LoadedApp:
    """The functions of a user's file; what they raise becomes BadApp, the traceback a file."""

    path: Path
    functions: Mapping[str, Callable[..., Any]]
    errors_folder: Path | None  # None: no file is written
    local_entries: tuple[str, ...] = ()
    numpy_errors: NumpyErrors = field(default_factory=NumpyErrors)

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
        code = partial(self.numpy_errors.around, partial(self.functions[name], *arguments))
        return _run_user_code(code, name, self.path, self.errors_folder)


def load_app(path: Path, errors_folder: Path | None) -> LoadedApp:
    """Run a user's code and take its functions; raises MissingFile, WrongKind or BadApp.

    Its functions belong into the thread that this is called in.
    """
    path = path.absolute()  # it may change the current folder
    own = NumpyErrors()

    def run(code: Callable[[], Any]) -> Any:
        return _run_user_code(partial(own.around, code), str(path), path, errors_folder)

    if is_project(path):
        source: object = run(partial(load_flower_app, path))
        patterns: object = ()
    else:
        module = load_module(path, run)
        source = _source(module, path)
        patterns = getattr(source, "local_entries", getattr(module, "local_entries", ()))
    functions = {name: getattr(source, name) for name in FUNCTIONS}
    return LoadedApp(path, functions, errors_folder, _local_entries(patterns, str(path)), own)


def app_of(source: object, errors_folder: Path) -> LoadedApp:
    """An object's functions; raises BadApp where it lacks one."""
    name = type(source).__name__
    if isinstance(source, type):
        raise BadApp("the app", f"it is a class: give {source.__name__}()")
    if missing := _lacking(source):
        raise BadApp("the app", f"{name} has no function {missing}({FUNCTIONS[missing]})")
    functions = {each: getattr(source, each) for each in FUNCTIONS}
    patterns = _local_entries(getattr(source, "local_entries", ()), "the app")
    return LoadedApp(Path(name), functions, errors_folder, patterns)


def _source(module: ModuleType, path: Path) -> object:
    """What has the functions: the file's object ``app``, or the file; raises BadApp."""
    own = getattr(module, "app", module)
    missing = [_lacking(own), _lacking(module)]
    if isinstance(own, type) and not missing[0]:
        raise BadApp(str(path), f"its app is a class: write app = {own.__name__}()")
    if all(missing):
        reason = f"it has no function {missing[1]}({FUNCTIONS[missing[1]]})"
        if own is not module:
            reason += f", and neither has its app, of type {type(own).__name__}"
        raise BadApp(str(path), reason)
    return module if missing[0] else own


def _lacking(source: object) -> str:
    """The first function that something does not have, or nothing."""
    return next((name for name in FUNCTIONS if not callable(getattr(source, name, None))), "")


def _local_entries(patterns: object, whose: str) -> tuple[str, ...]:
    if not isinstance(patterns, list | tuple) or not all(isinstance(p, str) for p in patterns):
        raise BadApp(whose, "local_entries is not a list of patterns of names")
    return tuple(patterns)


def _run_user_code(
    code: Callable[[], Any], name: str, path: Path, errors_folder: Path | None
) -> Any:
    """What user code returns. Raises BadApp in place of whatever it raises but an interruption.

    A process that it forks and does not end, ends here: it must not go on as this hospital.
    """
    process = os.getpid()
    try:
        answer = code()
    except BaseException as error:  # of Rust libraries and asyncio, some are no Exception
        if os.getpid() != process:
            end_fork(error)
        if isinstance(error, KeyboardInterrupt | Stopped | BadApp):  # the last is said already
            raise
        what = ": ".join(filter(None, [type(error).__name__, shown(_words(error), _MESSAGE)]))
        reason = f"{what} ({_place(error, path)})"
        if errors_folder is not None:
            reason = f"{reason}; details in {keep_traceback(error, errors_folder)}"
        raise BadApp(name, reason) from error
    finally:
        occupy()  # it may have closed standard streams
    if os.getpid() != process:
        end_fork(None)
    return answer


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(it does not say what)"


def _place(error: BaseException, path: Path) -> str:
    """``file:line`` of the innermost frame in the user's code, or where it does not parse."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    whole = path.resolve()
    own = [f for f in frames if Path(f.filename).resolve().is_relative_to(whole)] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else path.name
