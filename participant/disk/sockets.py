"""A Unix socket in a folder of this user's own, and who is at its other end.

The folder must be this user's, and nobody else may look into it; the process at the other end must
be this user's too. There is no other place.
"""

import contextlib
import os
import socket
import stat
import struct
import sys
from pathlib import Path

from participant.disk.files import disk_errors
from participant.errors import ForeignPeer, PathTooLong, UnsafeFolder
from protocol.programs.processes import is_descendant

# Of sockaddr_un, less the zero at its end: unix(7) on Linux, sys/un.h on macOS.
MAX_PATH_BYTES = 107 if sys.platform == "linux" else 103
_CREDENTIALS = struct.Struct("3i")  # of Linux: process, user, group
LOCAL_PEERCRED = 1  # of macOS's sys/un.h, at level 0
_XUCRED = struct.Struct("2I")  # the beginning of macOS's: version, user


def check_path(path: Path) -> Path:
    """A socket's path; raises PathTooLong for one that no socket can have."""
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise PathTooLong(path, MAX_PATH_BYTES)
    return path


def check_folder(folder: Path) -> None:
    """Raises UnsafeFolder unless the folder is this user's own, and closed to all others."""
    with disk_errors(folder):
        found = folder.stat()
    if found.st_uid != os.geteuid():
        raise UnsafeFolder(folder, f"user {found.st_uid}", stat.S_IMODE(found.st_mode))
    if found.st_mode & 0o077:
        raise UnsafeFolder(folder, "", stat.S_IMODE(found.st_mode))


def check_peer(line: socket.socket, path: Path) -> None:
    """Raises ForeignPeer unless a process of this user is at the other end."""
    user = peer_user(line)
    if user != os.geteuid():
        raise ForeignPeer(path, user)


def is_of_app(line: socket.socket) -> bool:
    """Whether an app's process, or what it has begun, is at the other end; on Linux.

    An agent begins no other processes than apps.
    """
    return sys.platform == "linux" and is_descendant(_credentials(line)[0])


def peer_user(line: socket.socket) -> int:
    """The user at the other end when it connected, or began to listen, as the kernel says."""
    if sys.platform == "linux":
        return _credentials(line)[1]
    data = line.getsockopt(0, LOCAL_PEERCRED, 76)
    return int(_XUCRED.unpack(data[: _XUCRED.size])[1])


def _credentials(line: socket.socket) -> tuple[int, int]:
    """The process and the user at the other end; of Linux."""
    data = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(data)
    return int(process), int(user)


def listen(path: Path, backlog: int) -> socket.socket:
    """A socket that listens there, 0600; for the only process that does.

    What a process that was killed has left under the name is put out of the way. Raises
    PathTooLong, UnsafeFolder, and DiskError for what is no socket and bears the name.
    """
    check_path(path)
    check_folder(path.parent)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with disk_errors(path):
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISSOCK(path.lstat().st_mode):
                    path.unlink()
            line.bind(os.fspath(path))
            path.chmod(0o600)
            line.listen(backlog)
    except BaseException:
        line.close()
        raise
    line.setblocking(False)
    return line


def connect(path: Path) -> socket.socket | None:
    """A line to who listens there; None where nobody does.

    Raises ForeignPeer, and UnsafeFolder where there is a socket in a folder that others can enter.
    """
    check_path(path)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not path.is_socket():
            line.close()
            return None
        check_folder(path.parent)
        line.connect(os.fspath(path))
        check_peer(line, path)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        line.close()
        return None
    except BaseException:
        line.close()
        raise
    line.setblocking(False)
    return line
