"""Files that are whole or absent: written aside, fsynced, then named."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from participant.errors import BadName, DiskError, FileExists, MissingFile, TooLarge
from protocol.errors import WrongKind
from protocol.programs import temporary
from protocol.programs.file_kind import Kind, kind_of, kind_of_data
from protocol.programs.refusals import FULL, READ_ONLY, refusals
from protocol.programs.temporary import FileAside, aside, check_ordinary, sync

_CHUNK = 1 << 20
_PART = r"[a-z0-9_-][a-z0-9._-]{0,127}"  # no leading dot: that is for temporary files
_NAME = re.compile(rf"{_PART}(/{_PART}){{0,2}}")
_FITTING: dict[str, tuple[Kind, ...]] = {  # by what a file is to be; of any other all kinds fit
    "terms": (Kind.TERMS,),
    "card": (Kind.CARD,),
    "aggregator's card": (Kind.AGGREGATOR_CARD,),
    "plan": (Kind.PLAN,),
    "identity": (Kind.SEALED,),
    "backup": (Kind.SEALED,),
    "passphrase": (),
    "journal": (),
    "file of numbers": (Kind.SPREADSHEET,),  # for which its reader has a better word
}


def make_folder(path: Path) -> None:
    """Create a folder, 0700, and the missing ones above it; durable. An existing one is left be."""
    with disk_errors(path):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            sync(folder.parent)
        if not path.is_dir():
            raise WrongKind(str(path), kind_of(path) or Kind.FILE, "folder")


@contextlib.contextmanager
def only_read_if_refused() -> Iterator[None]:
    """Do without what prepares a folder to be written to, where it cannot be.

    What is to be written later is refused then, by name.
    """
    try:
        yield
    except DiskError as error:
        if error.number not in READ_ONLY | FULL:
            raise


def write_new(path: Path, data: bytes) -> None:
    """Durably create a file, 0600; raises FileExists, and changes nothing, if the name is taken."""
    with _aside(path) as file:
        file.write(data)
        file.take_free_name(FileExists)


def replace(path: Path, data: bytes) -> None:
    """Durably put a file, 0600, in place of what had that name; readers see the old or the new."""
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[FileAside]:
    """As ``replace``, in parts: the file has its name when the block ends without an exception."""
    with disk_errors(path):
        check_ordinary(path)
    with _aside(path) as file:
        yield file
        file.take_name()


def read(path: Path, limit: int, what: str) -> bytes:
    """A file's bytes; raises MissingFile, TooLarge above ``limit`` bytes, or DiskError.

    ``what`` it is to be; WrongKind if it is a folder, or looks like something else of ours.
    """
    with disk_errors(path):
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                # At once, into place: parts that are joined would take twice a model's memory.
                data = file.read(min(size, limit) + 1)
                while size < len(data) <= limit and (chunk := file.read(_CHUNK)):
                    data += chunk  # of a pipe, whose size nobody knows before
        except FileNotFoundError:
            raise MissingFile(path, what) from None
        except IsADirectoryError:
            raise WrongKind(str(path), kind_of(path) or Kind.FOLDER, what) from None
        except NotADirectoryError:
            require_folder(path.parent)
            raise
    if len(data) > limit:
        _check_kind(path, kind_of(path), what)
        raise TooLarge(path, what, limit)
    _check_kind(path, kind_of_data(data), what)
    return data


def _check_kind(path: Path, found: Kind | None, what: str) -> None:
    """Raises WrongKind on what is known to be something else."""
    if what in _FITTING and found not in (None, Kind.FILE, *_FITTING[what]):
        raise WrongKind(str(path), str(found), what)


def require_folder(folder: Path) -> None:
    """Raises MissingFile if there is no such folder, WrongKind if it is, or lies under, a file."""
    for path in (*reversed(folder.parents), folder):
        with disk_errors(path):
            if path.exists() and not path.is_dir():
                raise WrongKind(str(path), kind_of(path) or Kind.FILE, "folder")
    if not exists(folder):
        raise MissingFile(folder, "folder")


def check_replaceable(path: Path) -> None:
    """Raises WrongKind if the name is a folder's, and what ``require_folder`` raises."""
    with disk_errors(path):
        if path.is_dir():
            raise WrongKind(str(path), kind_of(path) or Kind.FOLDER, "file")
    require_folder(path.parent)


def check_new(path: Path) -> None:
    """Raises FileExists if the name is taken, and what ``require_folder`` raises."""
    if exists(path):
        raise FileExists(path)
    require_folder(path.parent)


def exists(path: Path) -> bool:
    """Whether something has that name."""
    with disk_errors(path):
        return path.exists()


def entries(folder: Path) -> list[Path]:
    """Everything in a folder but what is just being written, sorted."""
    with disk_errors(folder):
        return temporary.entries(folder)


def delete(path: Path) -> None:
    """Durably remove a file; nothing happens if there is none."""
    with disk_errors(path), contextlib.suppress(FileNotFoundError):
        path.unlink()
        sync(path.parent)


def move(path: Path, target: Path) -> None:
    """Durably give a file or a folder another name, replacing a file that has it."""
    with disk_errors(target):
        os.rename(path, target)
        sync(target.parent)
        sync(path.parent)


def remove_folder(folder: Path) -> None:
    """Durably remove a folder and the files in it; nothing happens if there is none."""
    with disk_errors(folder), contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        sync(folder.parent)


def sweep(folder: Path) -> None:
    """Remove the temporary files that dead processes left in ``folder``."""
    with disk_errors(folder):
        temporary.sweep(folder)


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[FileAside]:
    """As ``aside``; a folder that is missing is named as such."""
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(aside(path, DiskError.of))
        except DiskError as error:
            if error.number in (errno.ENOENT, errno.ENOTDIR):
                require_folder(path.parent)
            raise
        yield file


def disk_errors(path: Path) -> contextlib.AbstractContextManager[None]:
    return refusals(path, DiskError.of)


@dataclass(frozen=True)
class FolderStorage:
    """Durable bytes under names, one file each; what a session needs in order to be restarted.

    A name is lower-case letters, digits, ``.``, ``_`` and ``-``, with at most two ``/`` inside;
    no part begins with a dot. A name cannot be both a file and a folder.
    """

    path: Path
    limit: int = 1 << 32  # bytes of one file

    def __post_init__(self) -> None:
        with only_read_if_refused():
            make_folder(self.path)
            for folder in self._folders():
                sweep(folder)

    def write(self, name: str, data: bytes) -> None:
        """Store bytes in place of what had that name; durable and whole when it returns."""
        path = self._file(name)
        make_folder(path.parent)
        replace(path, data)

    def writing(self, name: str) -> contextlib.AbstractContextManager[FileAside]:
        """As ``write``, in parts: the name appears when the block ends without an exception."""
        path = self._file(name)
        make_folder(path.parent)
        return replacing(path)

    def read(self, name: str) -> bytes | None:
        """The bytes under a name, None if there are none."""
        try:
            return read(self._file(name), self.limit, name)
        except MissingFile:
            return None

    def read_beside(self, folder: str, name: str) -> bytes | None:
        """The bytes under a name in the folder of that name beside this one, None if none are."""
        if not re.fullmatch(_PART, folder):
            raise BadName(folder, "it names no folder that is beside this one")
        try:
            return read(self.path.parent / folder / _checked(name), self.limit, name)
        except MissingFile:
            return None

    def delete(self, name: str) -> None:
        """Forget a name, durably; nothing happens if it is unknown."""
        delete(self._file(name))

    def names(self, prefix: str = "") -> list[str]:
        """All names that begin with ``prefix``, sorted."""
        found = (
            path.relative_to(self.path).as_posix()
            for folder in self._folders()
            for path in entries(folder)
            if path.is_file()
        )
        return sorted(name for name in found if name.startswith(prefix) and _NAME.fullmatch(name))

    def _file(self, name: str) -> Path:
        return self.path / _checked(name)

    def _folders(self) -> list[Path]:
        if not exists(self.path):
            return []
        first = [entry for entry in entries(self.path) if entry.is_dir()]
        second = (entry for folder in first for entry in entries(folder) if entry.is_dir())
        return [self.path, *first, *second]


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadName(name, "it names nothing that is stored")
    return name
