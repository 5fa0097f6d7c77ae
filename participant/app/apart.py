"""An app in a process of its own, as the object that training calls.

The app's process asks, and training answers: a call of ``fit`` here is the answer to its ``begin``,
and returns its ``update``. What it sends is checked like what any stranger sends.
"""

import contextlib
import hmac
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from participant.agent import Stopped
from participant.app.elsewhere import AppElsewhere, Stood
from participant.app.errors_file import keep_traceback_text
from participant.app.module import place_of
from participant.app.output import Show
from participant.app.pin import hash_of_app
from participant.app.process import AppFile, AppProcess
from participant.conversation import (
    VERSION,
    AppAsksModel,
    AppBegins,
    AppFailed,
    AppHello,
    AppUpdate,
    Channel,
    FromApp,
    parameters_in,
    parameters_said,
    read_tensors,
)
from participant.errors import BadApp
from protocol.errors import Malformed
from protocol.words import shown

Config = dict[str, Any]
T = TypeVar("T", bound=FromApp)
MORE_BYTES = 64 << 20  # of an update than twice the initial model: what stays at home may grow


class AppApart(AppElsewhere):
    """The functions of an app in a process that is begun here."""

    def __init__(
        self, file: AppFile, errors_folder: Path, about: Mapping[str, object], show: Show
    ) -> None:
        """about: what is told to the app of its federation. show: each line that it prints."""
        self._file, self._errors_folder = file, errors_folder
        self._about, self._show = about, show
        self._process: AppProcess | None = None
        self._is_closed = self._is_given_up = False
        self._is_gone = True  # there is no process, or it is to be ended
        self._beginning = threading.Lock()
        self._first: Config | None = None  # with which the app began
        self._ready: Any = None  # the model of ``prepare``
        self._pending: AppBegins | AppUpdate | None = None  # what is to be answered next
        self._standing: tuple[int, Any] | None = None  # the model that it was given last

    def start(self) -> None:
        """Begin the process, and read the app's file in it.

        Raises MissingFile, WrongKind or BadApp for the file, NoAppUser for the user, and Stopped
        once it was closed.
        """
        if self._is_gone:
            self._end()
            self._begin()
            self._is_gone = False

    def _begin(self) -> None:
        path, due = self._file.path.absolute(), self._file.digest
        place_of(path)
        if due and not hmac.compare_digest(hash_of_app(path), due):
            raise BadApp(str(path), "it was changed meanwhile: nothing of it is run")
        with self._beginning:
            if self._is_closed or self._is_given_up:
                raise Stopped
            self._process = AppProcess(replace(self._file, path=path), self._show)
            self._channel = Channel(self._process.connection)
        hello, _ = self._expect(AppHello, str(path))
        if hello.version != VERSION:
            raise self._bad(str(path), f"it speaks version {hello.version}, not {VERSION}")
        if hello.run or hello.app:
            raise self._bad(str(path), "only a program at a socket names a run, or what it runs")
        self.local_entries = hello.local_entries

    def prepare(self, config: Config) -> None:
        """Begin with what ``initial_parameters`` is to be asked for first; as both raise."""
        self.start()
        self._ready = self.initial_parameters(config)

    def initial_parameters(self, config: Config) -> Any:
        """The model that the app begins with; of a new process, if it is not the first time."""
        ready, self._ready = self._ready, None
        if ready is not None and config == self._first:
            return ready
        if self._first is not None:
            self._is_gone = True
        self._first = config
        self.start()
        return self._open()

    def _open(self) -> Any:
        """The model that the process begins with, which it is asked for once."""
        assert self._first is not None
        config = self._first
        facts = {"version": VERSION, "round": config["round"], "config": config}
        self._send("initial_parameters", {"answer": "hello", **facts, **self._about})
        self._pending, body = self._expect(AppBegins, "initial_parameters")
        if (entries := self._pending.entries) is None:
            raise self._bad("initial_parameters", "it began without a model")
        self._channel.limit(2 * len(body) + MORE_BYTES)
        return self._parameters("initial_parameters", self._pending.form, entries, body)

    def fit(self, parameters: Any, config: Config) -> tuple[Any, int, Config]:
        """Answer its ``begin`` with the model, and wait for its ``update``."""
        self._reopen()
        number = config["round"]
        if isinstance(before := self._pending, AppUpdate):
            kind = "void" if before.round == number else "late"
            self._send("fit", {"answer": kind, "round": before.round})
            self._pending, _ = self._expect(AppBegins, "fit")
        self._send_model("fit", "train", parameters, config)
        update, body = self._expect(AppUpdate, "fit")
        if update.round != number:
            raise self._bad("fit", f"it answered for round {update.round}, not {number}")
        self._pending = update
        fitted = self._parameters("fit", update.form, update.entries, body)
        return fitted, update.examples, update.metrics

    def evaluate(self, parameters: Any, config: Config) -> tuple[float, int, Config]:
        """Answer what it waits for with the model, and wait for its score; NaN if it has none."""
        self._reopen()
        kind = "applied" if isinstance(self._pending, AppUpdate) else "evaluate"
        self._send_model("evaluate", kind, parameters, config)
        self._pending, _ = self._expect(AppBegins, "evaluate")
        if (scored := self._pending.evaluation) is None:
            return math.nan, 0, {}
        return scored.loss, scored.examples, scored.metrics

    def _reopen(self) -> None:
        """Begin a new process, where the one before was ended and this has failed before."""
        if self._is_gone:
            assert self._first is not None
            self.initial_parameters(self._first)

    def give_up(self) -> None:
        """Let the call that is under way raise Stopped, in any thread; ``revive`` comes next."""
        with self._beginning:
            self._is_given_up = True
            self._channel.close()

    def revive(self) -> None:
        """Before a call: begin anew where the call before was given up."""
        if self._is_given_up:
            self._is_given_up = False
            assert self._first is not None
            self.initial_parameters(self._first)

    def stand(self, stood: Stood, give: Callable[[], Any]) -> None:
        """It is answered with each model, and told no more."""

    def sums_before(self, found: dict[int, bool]) -> None:
        """It is not told."""

    def hear(self, number: int, event: str, facts: dict[str, Any]) -> None:
        """It is not told."""

    def close(self, error: Exception | None = None) -> None:
        """End the process, in any thread, for good; a call that waits for it raises Stopped."""
        with self._beginning:  # a process that is begun just now is ended, and none comes later
            self._is_closed = True
        self._end()

    def _end(self) -> None:
        if (process := self._process) is None:
            return
        if is_idle := self._pending is not None:
            self._pending = None
            with contextlib.suppress(EOFError, Malformed):
                self._channel.send({"answer": "end"})
        self._channel.close()
        process.end(is_idle)
        process.connection.close()

    def _expect(self, kind: type[T], function: str) -> tuple[T, memoryview]:
        """The next message, which must be of this kind; what comes between is answered."""
        while True:
            message, body = self._receive(function)
            if isinstance(message, AppAsksModel):
                self._tell_model(function)
            elif isinstance(message, AppFailed):
                raise self._failure(message)
            elif isinstance(message, kind):
                return message, body
            else:
                said, due = type(message).__struct_config__.tag, kind.__struct_config__.tag
                raise self._bad(function, f"it said {said!r} where {due!r} is due")

    def _receive(self, function: str) -> tuple[FromApp, memoryview]:
        try:
            return self._channel.receive()
        except EOFError:
            raise self._gone(function) from None
        except Malformed as error:
            raise self._bad(function, f"it sent what is no message ({error})") from None

    def _send_model(self, function: str, kind: str, parameters: Any, config: Config) -> None:
        self._standing = config["round"], parameters
        self._send(
            function, {"answer": kind, "round": config["round"], "config": config}, parameters
        )

    def _tell_model(self, function: str) -> None:
        if self._standing is None:
            error = {
                "rule": "model", "member": 0, "reason": "there is no model before the first round",
                "remedy": "ask for it after begin",
            }  # fmt: skip
            self._send(function, {"error": error})
        else:
            number, parameters = self._standing
            self._send(function, {"answer": "model", "round": number}, parameters)

    def _send(self, function: str, header: dict[str, Any], parameters: Any = None) -> None:
        self._pending = None  # it is being answered
        pieces: list[bytes | memoryview] = []
        if parameters is not None:
            said, pieces = parameters_said(parameters)
            header |= said
        try:
            self._channel.send(header, pieces)
        except EOFError:
            raise self._gone(function) from None
        except Malformed as error:
            raise self._bad(function, str(error)) from None

    def _parameters(self, function: str, form: str, entries: Any, body: memoryview) -> Any:
        try:
            return parameters_in(form, entries, read_tensors(body))
        except Malformed as error:
            raise self._bad(function, f"it sent what is no model ({error})") from None

    def _gone(self, function: str) -> BaseException:
        """The process has ended, or was ended here."""
        if self._is_closed or self._is_given_up:
            return Stopped()
        assert self._process is not None
        return BadApp(function, f"{self._file} {self._process.ended()}")

    def _bad(self, function: str, reason: str) -> BadApp:
        """The process does not keep to the conversation: it is ended."""
        self._end()
        return BadApp(function, f"{self._file} does not answer: {reason}")

    def _failure(self, message: AppFailed) -> BadApp:
        reason = message.reason
        if message.traceback:
            details = keep_traceback_text(message.traceback, self._errors_folder)
            reason = f"{reason}; details in {details}"
        return BadApp(shown(message.function, 1_000), reason)
