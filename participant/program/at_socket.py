"""Programs that come to a socket, as the app that training calls."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from participant.agent import Stopped
from participant.app import AppElsewhere, AppFile, AppProcess, Config, Show, Stood
from participant.conversation import AppFailed, AppHello, Frames, FromApp, Limits, read_message
from participant.disk import Storage
from participant.errors import BadApp
from participant.program.desk import ProgramDesk
from participant.program.not_answered import NotAnswered, Words
from participant.program.visit import Visit
from protocol.board import Study
from protocol.errors import Malformed

_DOORKEEPER = "participant.program.doorkeeper"
_LEAVE_SECONDS = 2.0  # that a visit has to end, once it is to


class AppAtSocket(AppElsewhere):
    """A doorkeeper's process, and the programs that it lets in, one after the other."""

    def __init__(
        self,
        file: AppFile,
        study: Study,
        storage: Storage,
        show: Show,
        wake: Callable[[], None],
        words: Words,
        free: Callable[[Path], None],
    ) -> None:
        """file: the socket's path. show: each line that the doorkeeper prints.

        free: called before it listens there, so that a study that is over leaves the path. Raises
        DamagedFile.
        """
        self._file, self._study, self._show, self._free = file, study, show, free
        self._desk = ProgramDesk(study, storage, wake, words)
        self._process: AppProcess | None = None
        self._visit: tuple[Visit, threading.Thread] | None = None
        self._is_closed = False
        self._beginning = threading.Lock()

    @property
    def is_asked(self) -> bool:
        return self._desk.is_asked

    @property
    def run(self) -> str:
        """The study's: of its plan, or of the first program."""
        beginning = self._desk.beginning
        return beginning.run if beginning else self._study.training.run

    def start(self) -> None:
        """Listen. Raises BadApp where that cannot be, NoAppUser, and Stopped once closed."""
        with self._beginning:
            if self._is_closed:
                raise Stopped
            if self._process is not None:
                return
            self._free(self._file.path)
            self._process = process = AppProcess(self._file, self._show, _DOORKEEPER)
        where = str(self._file.path)
        try:
            first, _ = _next(process.connection)
        except EOFError:
            if self._is_closed:
                raise Stopped from None
            raise BadApp(where, f"what listens at this socket {process.ended()}") from None
        if isinstance(first, AppFailed):
            raise BadApp(first.function, first.reason)
        threading.Thread(target=self._let_in, args=(process,), name="door", daemon=True).start()

    def prepare(self, config: Config) -> None:
        """Listen, and wait for the first program, if none has come before."""
        self.start()
        self.local_entries = self._desk.initial()[0].local_entries

    def initial_parameters(self, config: Config) -> Any:
        """What the first program began with."""
        self.start()
        beginning, parameters = self._desk.initial()
        self.local_entries = beginning.local_entries
        return parameters

    def fit(self, parameters: Any, config: Config) -> tuple[Any, int, Config]:
        """What a program makes of it, as soon as one begins."""
        return self._desk.fit(parameters, config)

    def evaluate(self, parameters: Any, config: Config) -> tuple[float, int, Config]:
        """Its score, if the program that has given the update is there and says one; else NaN."""
        return self._desk.score()

    def give_up(self) -> None:
        """Wait for no update any more. The program goes on, and is told that it was late."""
        self._desk.give_up()

    def revive(self) -> None:
        """Nothing was ended."""

    def stand(self, stood: Stood, give: Callable[[], Any]) -> None:
        self._desk.stand(stood, give)

    def sums_before(self, found: dict[int, bool]) -> None:
        self._desk.sums_before(found)

    def hear(self, number: int, event: str, facts: dict[str, Any]) -> None:
        self._desk.hear(number, event, facts)

    def finish(self, error: Exception | None) -> None:
        """Training is over; programs are still told so, and what came of it."""
        self._desk.close(error)

    def close(self, error: Exception | None = None) -> None:
        """Let nobody in any more; a program that waits is told why."""
        with self._beginning:
            self._is_closed, process = True, self._process
        self._desk.close(error)
        if visit := self._visit:
            visit[1].join(_LEAVE_SECONDS if error else 0)
            visit[0].hang_up()
            visit[1].join()  # it may still write what the study begins with
        if process is not None:
            with contextlib.suppress(OSError):
                process.connection.shutdown(socket.SHUT_RDWR)
            process.end()
            process.connection.close()

    def _let_in(self, process: AppProcess) -> None:
        """Talk with each program that the doorkeeper hands over."""
        try:
            while True:
                hello, program = _next(process.connection)
                if isinstance(hello, AppHello) and program is not None:
                    self._meet(Visit(program, hello, self._study, self._desk))
        except (EOFError, Malformed):
            if not self._is_closed:
                how = process.ended()
                where = str(self._file.path)
                self._desk.fail(BadApp(where, f"what listens at this socket {how}"))

    def _meet(self, visit: Visit) -> None:
        if (before := self._visit) and before[1].is_alive():
            if not before[0].is_gone:
                visit.refuse(_busy(self._study, self._file.path))
                return
            before[0].hang_up()
            before[1].join()
        thread = threading.Thread(target=visit.run, name="visit", daemon=True)
        self._visit = visit, thread
        thread.start()


def _busy(study: Study, path: Path) -> NotAnswered:
    return NotAnswered(
        "busy",
        f"another program is at work at {path}, and study {study.name} is trained by one at a time",
        "end that one, or wait. Another study needs a path of its own",
    )


def _next(line: socket.socket) -> tuple[FromApp, socket.socket | None]:
    """What the doorkeeper says next, and the connection that comes with it.

    It is a process of the program's user, who may be another one, and is read like any stranger's.
    Raises EOFError where it has gone, and Malformed.
    """
    passed = list[int]()
    try:
        message = _message(line, passed)
        return message, socket.socket(fileno=passed[0]) if passed else None
    except BaseException as error:
        for number in passed:
            os.close(number)
        if isinstance(error, OSError):
            raise Malformed("frame", "what comes with it is no connection") from None
        raise


def _message(line: socket.socket, passed: list[int]) -> FromApp:
    """The next message; passed: gets the descriptor that comes with it."""
    frames = Frames(Limits(body=0))  # a hello that was written anew is longer
    while True:
        room = frames.room()
        try:
            data, numbers, _, _ = socket.recv_fds(line, len(room), 1)
        except OSError:
            raise EOFError from None
        for number in numbers:
            os.set_inheritable(number, False)
        passed += numbers
        if len(passed) > 1:
            raise Malformed("frame", "more than one connection comes with it")
        if not data:
            raise EOFError
        room[: len(data)] = data
        if frame := frames.filled(len(data)):
            return read_message(frame[0])
