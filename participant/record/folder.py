"""The files of a record in a folder, read strictly: a record is anybody's, and trusted in nothing.

No link is followed, nothing but regular files is read, and no more bytes than a caller allows.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from participant.errors import DiskError, MissingFile
from protocol.errors import Malformed, WrongKind
from protocol.programs.file_kind import Kind, kind_of
from protocol.record import MANIFEST_PATH

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_LINK = (errno.ELOOP, errno.ENOTDIR)  # of a file; of a folder on the way to it


class RecordFolder:
    """RecordFiles over a directory.

    Raises MissingFile if it holds no ``record.json``, WrongKind if it is known for something else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._places = folder, Places()
        if not os.path.lexists(folder / MANIFEST_PATH):
            if (found := kind_of(folder)) not in (None, Kind.FOLDER):
                raise WrongKind(str(folder), str(found), "record")
            raise MissingFile(folder / MANIFEST_PATH, "record")

    def read(self, path: str, limit: int) -> bytes | None:
        """A file's bytes, None if there is none.

        Raises Malformed for a link, for what is no regular file, and beyond the limit; DiskError.
        """
        folder, _, name = path.rpartition("/")
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise Malformed(path, "no file of a record has such a path")
        with self._disk_errors(path):
            at = self._places.descriptor(self.folder, folder)
            file = os.open(name, _FLAGS | os.O_NONBLOCK, dir_fd=at)
            try:
                found = os.fstat(file)
                if not stat.S_ISREG(found.st_mode):
                    raise Malformed(path, "it is not a regular file")
                if found.st_size > limit:
                    raise Malformed(path, f"{found.st_size} bytes, at most {limit} are allowed")
                return _read(file, found.st_size, limit, path)
            finally:
                os.close(file)
        return None

    def paths(self) -> Sequence[str]:
        """Everything but folders, sorted; links are among it. Raises DiskError."""
        with self._disk_errors(""):
            return sorted(_walk(self.folder, ""))
        return []

    @contextlib.contextmanager
    def _disk_errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _LINK:
                raise Malformed(path, "it is, or lies under, a link or what is no folder") from None
            if error.errno != errno.ENOENT:
                raise DiskError.of(self.folder / path, error) from None


class Places:
    """Folders of a record that stay open, so that each is looked for once; closed when let go."""

    def __init__(self) -> None:
        self._open = dict[str, int]()

    def descriptor(self, record: Path, folder: str) -> int:
        """Of a folder in a record, itself where it is empty. Raises OSError, also for a link."""
        if folder not in self._open:
            if folder:
                above, _, name = folder.rpartition("/")
                at = self.descriptor(record, above)
                found = os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=at)
            else:
                found = os.open(record, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
            self._open[folder] = found
        return self._open[folder]

    def __reduce__(self) -> tuple[type["Places"], tuple[()]]:
        """Another process opens its own."""
        return Places, ()

    def __del__(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)


def _read(file: int, size: int, limit: int, path: str) -> bytes:
    data = os.read(file, size + 1)
    while len(data) != size:  # it has changed, or the system gives a part of it at a time
        if len(data) > limit:
            raise Malformed(path, f"more than {limit} bytes, which are not allowed")
        more = os.read(file, limit + 1 - len(data))
        if not more:
            break
        data += more
    return data


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as found:
        for entry in found:
            path = prefix + os.fsencode(entry.name).decode("utf-8", "backslashreplace")
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, path + "/")
            else:
                yield path
