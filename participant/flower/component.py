"""The objects that a Flower app's folder is made of, imported as Flower imports them."""

import importlib
import sys
from functools import reduce
from pathlib import Path
from typing import Any

from participant.errors import BadApp


def load_component(folder: Path, kind: str, where: str, wanted: type) -> Any:
    """The object at ``module:object``; raises BadApp, and whatever importing the app's code raises.

    kind: ``serverapp`` or ``clientapp``. wanted: what it has to be.
    """
    said = f"{kind} {where}"
    module, _, name = where.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # its worker processes are given this path too
    importlib.invalidate_caches()
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise BadApp(said, f"there is no module {error.name} in {folder}") from None
    _check_own(folder, module, said)
    try:
        made = reduce(getattr, name.split("."), found)
    except AttributeError:
        raise BadApp(said, f"its module has no {name}") from None
    if not isinstance(made, wanted):
        raise BadApp(said, f"it is {type(made).__name__}, and not {wanted.__name__}")
    return made


def _check_own(folder: Path, module: str, said: str) -> None:
    """Raises BadApp if the package of that name is from elsewhere: the app's hash is not of it."""
    first = module.partition(".")[0]
    package = sys.modules[first]
    # A namespace package has no file of its own.
    places = [getattr(package, "__file__", None) or "", *getattr(package, "__path__", ())]
    if not any(Path(place).resolve().is_relative_to(folder) for place in places if place):
        raise BadApp(said, f"its name is that of another module, {first!r}: rename the package")
