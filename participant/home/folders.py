"""Where a participant keeps its files.

The identity and its card lie in the home itself; the vault, outbox, chosen sets and models of each
federation in a folder below it, named by the first 16 hexadecimal digits of its digest.
"""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from participant.errors import DiskError

HOME_VARIABLE = "QUORATE_HOME"


def home_folder(option: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The data folder: the option if given, else QUORATE_HOME, else ~/.quorate.

    Its path is absolute, since an app may change the current folder.
    Raises DiskError for a ``~`` of which nobody knows where it is, and in a folder that is gone.
    """
    path = option if option is not None else Path(environment.get(HOME_VARIABLE) or "~/.quorate")
    try:
        return path.expanduser().absolute()
    except OSError as error:
        raise DiskError.of(path, error) from error
    except RuntimeError:
        who = path.parts[0][1:] or "this user (HOME is not set)"
        raise DiskError(path, f"there is no home folder of {who}", errno.ENOENT) from None


def federation_folder(home: Path, federation: bytes) -> Path:
    """The folder of one federation; ``federation`` is the digest of its terms."""
    return home / folder_name(federation)


def folder_name(federation: bytes) -> str:
    """What that folder is called."""
    return federation.hex()[:16]
