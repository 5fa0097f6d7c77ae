"""Who leads: the one process that writes to a board and answers its members.

It holds an advisory lock over a connection of its own, on which it says something all the time.
PostgreSQL ends a session that is silent. So the lock of a process that is killed, frozen or cut off
is free again within ``SILENT_MS``, and no other process has to judge whether it lives.

A process that has lost the lock may not know yet. Each lead has a *term*, one more than the last,
and every change of the tables names its own: PostgreSQL refuses a change of an older one.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable

import psycopg

from aggregator.errors import BoardRefused, LeadLost
from aggregator.postgresql.connection import (
    Connection,
    connect,
    database_errors,
    make_tables,
    name_of,
)

LOCK = 0x71_75_6F_72  # of a database, as an advisory lock
SILENT_MS = 1_200  # after which PostgreSQL ends the session that holds the lock
_SURE_SECONDS = 1.0  # since a word that was answered: the lock is still ours
_BEAT_SECONDS = 0.2


class Lead:
    """A connection that asks for the lock, and once it has it, keeps it."""

    def __init__(self, address: str, federation: bytes) -> None:
        """Connect, and make the tables where there are none; raises BoardRefused."""
        self.place, self.term = name_of(address), 0
        self.lost: LeadLost | None = None
        self._told: Callable[[LeadLost], object] = lambda lost: None
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None
        self._sure_until = 0.0
        self._connection = connect(address, target_session_attrs="read-write")
        self._connections = [self._connection]
        try:
            make_tables(self._connection, self.place, federation)
            with database_errors(self.place):
                self._connection.execute(f"SET idle_session_timeout TO {SILENT_MS}")
        except LeadLost as lost:
            self._connection.close()
            raise BoardRefused(self.place, "connection", lost.reason) from None
        except BaseException:
            self._connection.close()
            raise

    def take(self) -> bool:
        """Lead, if nobody does; whether it does now. Raises LeadLost if the connection is lost.

        To be asked again at least every ``SILENT_MS``.
        """
        with database_errors(self.place):
            asked = time.monotonic()
            if not _value(self._connection, "SELECT pg_try_advisory_lock(%s)", LOCK):
                return False
            self._sure_until = asked + _SURE_SECONDS
            # Waits for what the last leader is just changing. From then on it changes nothing.
            taken = "UPDATE board SET term = term + 1, process = %s, host = %s RETURNING term"
            self.term = _value(self._connection, taken, os.getpid(), socket.gethostname())
        self._beating = threading.Thread(target=self._beat, name="lead", daemon=True)
        self._beating.start()
        return True

    def tell(self, told: Callable[[LeadLost], object]) -> None:
        """Call this once the lead is lost, in whichever thread."""
        self._told = told
        if self.lost is not None:
            told(self.lost)

    def carry(self, connection: Connection) -> None:
        """This one too ends with the lead."""
        self._connections.append(connection)

    def require(self) -> None:
        """Raises LeadLost where another process may lead by now."""
        if self.lost is not None:
            raise self.lost
        if time.monotonic() > self._sure_until:
            raise LeadLost(self.place, "this process stood still, or the database did not answer")

    def cut(self, lost: LeadLost) -> None:
        """The lead is lost. End all connections, also where somebody waits for an answer."""
        self._lose(lost)
        self._hang_up()

    def _hang_up(self) -> None:
        for connection in self._connections:
            with (
                contextlib.suppress(OSError, psycopg.Error),  # it is closed already
                socket.socket(fileno=os.dup(connection.fileno())) as line,
            ):
                line.shutdown(socket.SHUT_RDWR)

    def superseded(self) -> LeadLost:
        """What a change was refused for: its term is over."""
        return LeadLost(self.place, "another process has taken the lead")

    def close(self) -> None:
        """Let go of the lock; a database that says nothing is waited for as long as for a beat."""
        self._ended.set()
        if self._beating is not None:
            self._beating.join(_SURE_SECONDS)
            if self._beating.is_alive():
                self._hang_up()
                self._beating.join()
        self._connection.close()

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            asked = time.monotonic()
            try:
                with database_errors(self.place):
                    self._connection.execute("SELECT 1")
            except Exception as error:
                reason = error.reason if isinstance(error, LeadLost) else str(error)
                self._lose(LeadLost(self.place, reason))
                return
            self._sure_until = asked + _SURE_SECONDS

    def _lose(self, lost: LeadLost) -> None:
        if self.lost is None and not self._ended.is_set():
            self.lost = lost
            self._told(lost)


def _value(connection: Connection, query: str, *values: object) -> int:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else 0
