"""Where the agent's socket lies, and who is at its other end.

The folder is the federation's in the hospital's home. It must be this user's own, and nobody else
may look into it; the process at the other end must be this user's too. There is no other place.
"""

import contextlib
import os
import socket
import stat
import struct
import sys
from pathlib import Path

from participant.disk import disk_errors
from participant.errors import ForeignPeer, PathTooLong, UnsafeFolder
from protocol.programs.processes import is_descendant

SOCKET_NAME = "agent.sock"
# Of sockaddr_un, less the zero at its end: unix(7) on Linux, sys/un.h on macOS.
MAX_PATH_BYTES = 107 if sys.platform == "linux" else 103
_CREDENTIALS = struct.Struct("3i")  # of Linux: process, user, group
LOCAL_PEERCRED = 1  # of macOS's sys/un.h, at level 0
_XUCRED = struct.Struct("2I")  # the beginning of macOS's: version, user


def socket_path(folder: Path) -> Path:
    """The socket's path; raises PathTooLong."""
    path = folder / SOCKET_NAME
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


def listen(folder: Path, backlog: int) -> socket.socket:
    """A socket that listens in the folder, 0600; to be called while its lock is held.

    What a process that was killed has left under the name is put out of the way. Raises
    PathTooLong, UnsafeFolder, and DiskError for what is no socket and bears the name.
    """
    path = socket_path(folder)
    check_folder(folder)
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


def connect(folder: Path) -> socket.socket | None:
    """A line to who listens in the folder; None where nobody does.

    Raises ForeignPeer, and UnsafeFolder where there is a socket in a folder that others can enter.
    """
    path = socket_path(folder)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not path.is_socket():
            line.close()
            return None
        check_folder(folder)
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
