"""The conversation with one program that has come to the socket, until it goes."""

import contextlib
import select
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from participant.app import MORE_BYTES, Stood
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
from participant.program.desk import ProgramDesk, Reply
from participant.program.hindrance import Hindrance
from participant.program.not_answered import NoMore, NotAnswered
from protocol.board import Study
from protocol.errors import Malformed

_GONE: int = getattr(select, "POLLRDHUP", select.POLLHUP)  # the first is Linux's


class Visit:
    """hello: what the program has said first. for_run: of a framework, as it has said last.

    told: why it waits, as it was told last.
    """

    def __init__(self, connection: socket.socket, hello: AppHello, study: Study, desk: ProgramDesk):
        self.hello, self.for_run = hello, hello.run
        self.told: Hindrance | None = None
        self._connection, self._study, self._desk = connection, study, desk
        self._channel = Channel(connection)

    @property
    def is_gone(self) -> bool:
        """Whether the program has closed its end, whatever of its is not yet read."""
        look = select.poll()
        try:
            look.register(self._connection, _GONE)
        except ValueError:  # closed here
            return True
        return bool(look.poll(0))

    def refuse(self, why: NotAnswered) -> None:
        """Send the program away."""
        with contextlib.suppress(EOFError, Malformed):
            self._channel.send(_error(why))
        self._channel.close()
        self._connection.close()

    def tell(self, found: Hindrance) -> None:
        """Say why it waits. Its answer comes later, and it asks nothing meanwhile."""
        self.told, why = found, found.why
        said = {"round": found.number, "reason": why.reason, "remedy": why.remedy}
        self._channel.send({"answer": "waits", **said})

    def hang_up(self) -> None:
        """End it, in any thread."""
        self._channel.close()

    def run(self) -> None:
        """Answer until the program goes, or there is nothing more to say."""
        try:
            if not self._answer(self._welcome):
                return
            self._limit()
            while True:
                message, body = self._channel.receive()
                self._answer(partial(self._asked, message, body))
                del message, body  # and with it a model
        except EOFError:
            pass
        except Malformed as error:
            rule = error.what if error.what in ("message", "frame") else "message"
            with contextlib.suppress(EOFError, Malformed):
                self._channel.send(_error(NotAnswered(rule, error.reason)))
        finally:
            self._desk.leave()
            self._channel.close()
            self._connection.close()

    def _answer(self, reply: Callable[[], tuple[Any, ...]]) -> bool:
        """Whether it was answered, and not refused."""
        try:
            self._channel.send(*reply())
        except NotAnswered as why:
            self._channel.send(_error(why))
            return False
        except NoMore:
            self._channel.send({"answer": "end"})
        return True

    def _welcome(self) -> tuple[dict[str, Any]]:
        if self.hello.version != VERSION:
            raise NotAnswered(
                "version", f"the program speaks version {self.hello.version}, not {VERSION}",
                "use the quorate_client that comes with the agent",
            )  # fmt: skip
        config = self._desk.greet(self)
        study = self._study
        about = {"federation": study.terms.name, "study": study.name, "rounds": study.rounds}
        about["identity"] = study.digest.hex()
        return (
            {
                "answer": "hello",
                "version": VERSION,
                "round": self._desk.stands_at,
                "config": config,
                **about,
            },
        )

    def _asked(self, message: FromApp, body: memoryview) -> tuple[Any, ...]:
        if isinstance(message, AppBegins):
            self.for_run = message.run or self.for_run
            initial = None if message.entries is None else _parameters(message, body)
            found = self._desk.begin(self, message, initial, body)
            self._limit()
            return self._said(found)
        if isinstance(message, AppUpdate):
            return self._said(self._desk.update(self, message, _parameters(message, body)))
        if isinstance(message, AppAsksModel):
            return self._said(self._desk.model(self))
        if isinstance(message, AppFailed):
            raise EOFError  # its own affair: another program may come
        raise Malformed("message", "hello is said once, at the beginning")

    def _limit(self) -> None:
        """From now on no body is much larger than the model."""
        if beginning := self._desk.beginning:
            self._channel.limit(2 * beginning.size + MORE_BYTES)

    def _said(self, reply: Reply) -> tuple[dict[str, Any], Sequence[bytes | memoryview]]:
        header: dict[str, Any] = {"answer": reply.kind, "round": reply.round}
        header |= {"config": reply.config} if reply.config is not None else {}
        header |= {"reason": reply.reason} if reply.reason else {}
        if reply.stood is not None:
            header["receipt"] = self._receipt(reply.stood)
        if reply.parameters is None:
            return header, ()
        said, pieces = parameters_said(reply.parameters)
        return header | said, pieces

    def _receipt(self, stood: Stood) -> dict[str, Any]:
        beginning = self._desk.beginning
        return {
            "study": self._study.name,
            "run": beginning.run if beginning else "",
            "round": stood.round,
            "model": stood.model.hex(),
            "contributors": list(stood.contributors),
            "in_sum": stood.in_sum,
            "sum": stood.chosen.hex(),
        }


def _parameters(message: AppBegins | AppUpdate, body: memoryview) -> Any:
    try:
        return parameters_in(message.form, message.entries or (), read_tensors(body))
    except Malformed as error:
        raise NotAnswered("model", f"what it sent is no model ({error.reason})") from None


def _error(why: NotAnswered) -> dict[str, Any]:
    error = {"rule": why.rule, "member": why.member}
    return {"error": {**error, "reason": why.reason, "remedy": why.remedy}}
