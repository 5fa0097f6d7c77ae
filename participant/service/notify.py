"""What systemd is told: the protocol of sd_notify(3), a datagram of lines to a Unix socket.

The socket's name is in NOTIFY_SOCKET: a path, or after an @ a name in Linux's abstract namespace.
Without it nobody is told. A service never fails because its manager does not listen.
"""

import contextlib
import os
import socket
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Notifier:
    """Tells the service manager; ``watchdog_seconds``: how often it wants to hear, 0 for never."""

    address: str = ""
    watchdog_seconds: float = 0.0

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> "Notifier":
        """From the environment, where it is then no more: no child is to speak for the service."""
        address = environment.pop("NOTIFY_SOCKET", "")
        seconds = _watchdog_seconds(environment)
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(name, None)
        return cls(address if address[:1] in ("/", "@") and len(address) > 1 else "", seconds)

    def ready(self, status: str) -> None:
        """The service has started."""
        self._send(READY="1", STATUS=status)

    def status(self, status: str) -> None:
        """What it does now, on one line."""
        self._send(STATUS=status)

    def stopping(self, status: str) -> None:
        """It is about to end."""
        self._send(STOPPING="1", STATUS=status)

    def alive(self) -> None:
        """It is not stuck."""
        self._send(WATCHDOG="1")

    def _send(self, **fields: str) -> None:
        if not self.address:
            return
        data = "\n".join(f"{k}={' '.join(v.split())}" for k, v in fields.items()).encode()
        name = "\0" + self.address[1:] if self.address[0] == "@" else self.address
        with (
            contextlib.suppress(OSError, ValueError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line,
        ):
            line.setblocking(False)
            line.connect(name)
            line.send(data)


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """Half of what is allowed between two signs of life, as sd_watchdog_enabled(3) advises."""
    given, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not (given.isascii() and given.isdigit()) or pid not in ("", str(os.getpid())):
        return 0.0
    return int(given) / _MICROSECONDS / 2
