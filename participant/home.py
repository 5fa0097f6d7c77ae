"""Where a participant keeps its files.

The identity and its card lie in the home itself; the vault, outbox, chosen sets and models of each
federation in a folder below it, named by the first 16 hexadecimal digits of its digest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

HOME_VARIABLE = "QUORATE_HOME"


def home_folder(option: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The data folder: the option if given, else QUORATE_HOME, else ~/.quorate."""
    if option is not None:
        return option.expanduser()
    return Path(environment.get(HOME_VARIABLE) or "~/.quorate").expanduser()


def federation_folder(home: Path, federation: bytes) -> Path:
    """The folder of one federation; ``federation`` is the digest of its terms."""
    return home / federation.hex()[:16]
