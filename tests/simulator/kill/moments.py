"""Every durable change of a run, and a machine that dies right before or right after one.

What a process has written is there after ``kill -9``, fsynced or not: a change is whatever a
restart may find. After its death a machine changes nothing more, whatever handlers still run.
"""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from aggregator.store.blobs import BlobStore
from aggregator.store.heads import HeadLog
from aggregator.store.sqlite import SqliteBoard
from tests.simulator.disk import Crash, Disk
from tests.simulator.federation import Federation
from tests.simulator.hospital import Hospital
from tests.simulator.kill.kinds import AGGREGATOR, kind_of


class Death(NamedTuple):
    """At the ``nth`` change of a kind (1, …) at a hospital, or at the aggregator; once."""

    who: int
    kind: str
    nth: int
    is_after: bool

    def __str__(self) -> str:
        return f"{self.who} {'after' if self.is_after else 'before'} {self.kind} #{self.nth}"


class Moments:
    """Counts the changes of a federation by who makes them and of which kind.

    ``distinct``: the moments that differ in what a restart finds; right before a change is right
    after the one before it, unless something may have been sent in between, which happens at the
    end of an event alone. stays_down: a hospital that dies does not come back.
    """

    def __init__(
        self, federation: Federation, folder: Path, deaths: tuple[Death, ...], stays_down: bool
    ) -> None:
        self._federation, self._folder, self._deaths = federation, folder.resolve(), deaths
        self._stays_down = stays_down
        self._disks = {id(h.disk): h.index for h in federation.hospitals.values()}
        self._dead = set[int]()
        self.seen = Counter[tuple[int, str]]()
        self.distinct: list[Death] = []
        self._last: dict[int, int] = {}  # the event of the last change, by who made it
        self.struck = set[Death]()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """All changes are seen until the block ends."""
        with contextlib.ExitStack() as patches:
            for owner, name, what in (*_OF_A_DISK, *_OF_THE_STORE, *_OF_THE_SYSTEM):
                patches.enter_context(patch.object(owner, name, self._seen(owner, name, what)))
            yield

    def _seen(self, owner: Any, name: str, what: "What") -> Callable[..., object]:
        real = getattr(owner, name)

        def change(*arguments: Any, **named: Any) -> object:
            verb, target = what(*arguments, **named)
            who, path = self._owner(target)
            if who is None:
                return real(*arguments, **named)
            if who in self._dead and verb == "remove":
                raise OSError  # so that what a dead process holds open is let go of
            with self._at(who, kind_of(who, f"{verb} {path}")):
                return real(*arguments, **named)

        return change

    def _owner(self, target: Any) -> tuple[int | None, str]:
        """Whose file it is, and its name there."""
        if isinstance(target, tuple):
            disk, name = target
            return self._disks.get(id(disk)), name
        path = Path(target)
        if not path.is_relative_to(self._folder) or path == self._folder:
            return None, ""
        first, *rest = path.relative_to(self._folder).parts
        who = AGGREGATOR if first == "aggregator" else int(first.removeprefix("h"))
        return who, "/".join(rest)

    @contextlib.contextmanager
    def _at(self, who: int, kind: str) -> Iterator[None]:
        if who in self._dead:
            raise Crash
        self.seen[who, kind] += 1
        before = Death(who, kind, self.seen[who, kind], is_after=False)
        if self._last.get(who) != self._federation.clock.happened:
            self.distinct.append(before)
        self._last[who] = self._federation.clock.happened
        self.distinct.append(before._replace(is_after=True))
        self._die_at(before)
        yield
        self._die_at(before._replace(is_after=True))

    def _die_at(self, moment: Death) -> None:
        if moment not in self._deaths:
            return
        self.struck.add(moment)
        self._dead.add(moment.who)
        if self._stays_down:
            self._keep_down(moment.who)
        else:  # nothing of the dead process runs after the event it died in
            self._federation.clock.after(0.0, lambda: self._dead.discard(moment.who))
        raise Crash

    def _keep_down(self, who: int) -> None:
        start = self._federation._start_hospital

        def start_another(hospital: Hospital) -> None:
            if hospital.index != who:
                start(hospital)

        self._federation._start_hospital = start_another


# ── what changes something, and what: a verb, and a path or a disk with a name ──


What = Callable[..., tuple[str, Any]]


def _open_path(descriptor: int) -> str:
    if sys.platform == "darwin":
        import fcntl

        return fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1_024)).rstrip(b"\0").decode()
    return os.readlink(f"/proc/self/fd/{descriptor}")


def _removed(path: Any, *, dir_fd: int | None = None) -> tuple[str, Any]:
    found = Path(path) if dir_fd is None else Path(_open_path(dir_fd), path)
    return "remove", found if found.exists() else ""


def _row(board: SqliteBoard, statement: str, *values: object) -> tuple[str, Path]:
    table = statement.partition(" INTO ")[2].partition(" ")[0]
    return "row", board._path.with_name(table)


def _made(path: Any, *rest: Any, **named: Any) -> tuple[str, Any]:
    can_be = not Path(path).exists() and Path(path).parent.exists()
    return "make", path if can_be else ""


def _rows_gone(board: SqliteBoard, digests: Sequence[bytes]) -> tuple[str, Any]:
    return "rows gone", board._path.with_name("blobs")


def _pruned(board: SqliteBoard, limit: int) -> tuple[str, Any]:
    return "prune", board._path.with_name("vectors")


def _synced(descriptor: int) -> tuple[str, str]:
    """What is in a file by then; a folder's names are there before."""
    path = _open_path(descriptor)
    return "sync", "" if os.path.isdir(path) else path


_OF_A_DISK: tuple[tuple[Any, str, What], ...] = (
    (Disk, "write", lambda disk, name, data: ("write", (disk, name))),
    (Disk, "delete", lambda disk, name: ("delete", (disk, name))),
)
_OF_THE_STORE: tuple[tuple[Any, str, What], ...] = (
    (SqliteBoard, "_write", _row),
    (SqliteBoard, "remove_blobs", _rows_gone),
    (SqliteBoard, "prune", _pruned),
    (HeadLog, "note", lambda log, head: ("append", log._path)),
    (BlobStore, "_append", lambda store, path, have, data: ("append", path)),
)
_OF_THE_SYSTEM: tuple[tuple[Any, str, What], ...] = (
    (os, "fsync", _synced),
    (os, "rename", lambda path, target: ("name", target)),
    (os, "replace", lambda path, target: ("name", target)),
    (os, "link", lambda path, target: ("name", target)),
    (os, "unlink", _removed),
    (os, "rmdir", _removed),
    (os, "mkdir", _made),
    (os, "truncate", lambda path, size: ("cut", path)),
)
