"""The SHA-256 of an app, by which a study's plan pins it.

Of a file it is what ``sha256sum app.py`` prints. Of a folder it is the SHA-256 of the list that
``sha256sum`` prints of its files, sorted by path: a line with the hash, two blanks and the path in
the folder. Folders called ``__pycache__`` are left out, since Python writes them as it runs; an
app's process reads none of its own (``participant.app.bytecode``).
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from participant.errors import BadApp, DiskError, MissingFile
from protocol.errors import WrongKind
from protocol.programs.file_kind import Kind, kind_of

_CACHE = "__pycache__"
_MOST_FILES = 10_000  # of a folder: a data folder that was given by mistake has more


def hash_of_app(path: Path) -> bytes:
    """32 bytes, of all that is in the file or the folder.

    Raises MissingFile or WrongKind; BadApp for a folder that cannot be listed in this way, and
    DiskError.
    """
    kind = kind_of(path)
    if kind is None:
        raise MissingFile(path, "app")
    if kind not in (Kind.FILE, Kind.FOLDER):
        raise WrongKind(str(path), kind, "app")
    try:
        return _of_folder(path) if path.is_dir() else _of_file(path)
    except OSError as error:
        raise DiskError.of(Path(error.filename or path), error) from None


def _of_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _of_folder(folder: Path) -> bytes:
    state = hashlib.sha256()
    for name in sorted(_files(folder)):
        path = folder / os.fsdecode(name)
        state.update(_of_file(path).hex().encode() + b"  " + name + b"\n")
    return state.digest()


def _files(folder: Path) -> Iterator[bytes]:
    """The paths in a folder of all its files, as the system writes them."""
    count = 0
    for root, folders, files in os.walk(folder, onerror=_raise):
        if _CACHE in folders:
            folders.remove(_CACHE)
        for name in (*folders, *files):
            path = Path(root) / name
            inside = os.fsencode(path.relative_to(folder))
            if b"\n" in inside or b"\\" in inside:
                raise BadApp(str(folder), f"{inside!r} has a name that no list of files can hold")
            if name in folders and path.is_symlink():
                raise BadApp(str(folder), f"{name} in it is a link to a folder: copy that there")
            if name in files:
                if not path.is_file():
                    raise BadApp(str(folder), f"{name} in it is neither a file nor a folder")
                count += 1
                yield inside
        if count > _MOST_FILES:
            raise BadApp(str(folder), f"it has more than {_MOST_FILES} files")


def _raise(error: OSError) -> None:
    raise error
