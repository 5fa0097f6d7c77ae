"""Whether an agent runs for a federation, waited for while it is just starting."""

import socket
import time
from pathlib import Path

from participant.disk import connect, holder
from participant.door.place import socket_path
from participant.errors import PathTooLong

SERVE = "serve"  # as the lock names the agent
_MOMENT_SECONDS, _LOOK_SECONDS = 5.0, 0.05


def reach(folder: Path) -> socket.socket | None:
    """A line to the agent of a federation's folder, None where none runs, or lets anybody in.

    Raises ForeignPeer and UnsafeFolder.
    """
    end = time.monotonic() + _MOMENT_SECONDS
    while True:
        try:
            line = connect(socket_path(folder))
        except PathTooLong:
            return None  # no agent can run there, and a command needs no socket
        if line is not None or holder(folder) != SERVE or time.monotonic() > end:
            return line
        time.sleep(_LOOK_SECONDS)
