"""What to do when the operating system refuses to read, write, lock or open something."""

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

Refusal = Callable[[Path, OSError], Exception]

FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
READ_ONLY = frozenset((errno.EROFS, errno.EACCES, errno.EPERM))

_REMEDIES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room, or ask for a larger quota",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f), or use another file system",
    errno.EIO: "look at the disk, which reports errors, before anything else is written to it",
    errno.EROFS: "mount that file system for writing, or use another folder",
    errno.EACCES: "give this user the right to it, or use another folder",
    errno.EPERM: "give this user the right to it, or use another folder",
    errno.ENAMETOOLONG: "use a shorter path",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has too many files open",
    errno.ENOTDIR: "use another path: a part of this one is a file, not a folder",
    errno.EISDIR: "use another path: this one is a folder, not a file",
    errno.ELOOP: "use another path: links in this one lead in a circle",
    errno.EEXIST: "use another path, or move away what has this name",
    errno.ENXIO: "use another path: this one is no ordinary file",
    errno.ENOENT: "check the path",
    errno.ENOMEM: "close other programs",
    errno.ENOLCK: "use a folder on a local disk: that file system cannot lock files",
    errno.EOPNOTSUPP: "use a folder on a local disk: that file system lacks what is needed",
    errno.EINVAL: "use a folder on a local disk: that file system lacks what is needed",
    errno.ESTALE: "mount that network file system again, or use a folder on a local disk",
}


def remedy_for(number: int | None) -> str:
    """What to do about an error number; what may help where it is none that is known."""
    return _REMEDIES.get(number or 0, "check space and permissions there")


@contextlib.contextmanager
def refusals(path: Path, refusal: Refusal) -> Iterator[None]:
    """Raise what the operating system refuses of a path as the error that a program makes of it."""
    try:
        yield
    except OSError as error:
        raise refusal(path, error) from error
