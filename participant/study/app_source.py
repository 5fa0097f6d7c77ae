"""An app as it is given to a study, before any of its code has run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from participant.app import App, app_of, hash_of_app


@dataclass(frozen=True)
class GivenApp:
    """``name``: its path, or its class. ``digest``: 32 bytes, empty for an object.

    load: runs its code, at the first call; raises BadApp.
    """

    name: str
    digest: bytes
    load: Callable[[], App]


def given_app(source: App | str | Path, errors_folder: Path) -> GivenApp:
    """A file, a folder or an object as an app; raises what ``hash_of_app`` raises.

    errors_folder: where the tracebacks of its errors go.
    """
    if not isinstance(source, str | Path):
        return GivenApp(type(source).__name__, b"", cache(lambda: app_of(source, errors_folder)))
    path = Path(source).absolute()
    return GivenApp(str(path), hash_of_app(path), cache(lambda: app_of(path, errors_folder)))
