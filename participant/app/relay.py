"""The process between the agent and a program of the hospital's own, which connects to a socket.

It listens until a program has come that knows the token, and then passes on what both say. The
token lies beside the socket, in a file that its owner alone can read, and is another one each time.
It is begun by participant.app.process, has nothing of the hospital's, and ends with either of the
two: the agent begins a new one where the program has gone.
"""

import contextlib
import hmac
import json
import os
import secrets
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from participant.app.process import CONNECTION
from participant.conversation import AppHello, Frames, Limits, read_message
from participant.disk import check_peer, listen
from participant.errors import ForeignPeer, ParticipantError
from protocol.errors import Malformed
from protocol.programs.processes import end_with_parent

HELLO_SECONDS = 5.0  # that a program has to say who it is
HELLO = Limits(header=1 << 20, body=0)
_BACKLOG = 4
_CHUNK = 1 << 20


def main() -> None:
    """Let one program talk with the agent, until either is gone."""
    signal.signal(signal.SIGTERM, _end)
    end_with_parent()
    path, agent = Path(sys.argv[1]), _agent()
    try:
        with _listening(path) as (line, token):
            program, hello = _met(line, agent, token, path)
    except ParticipantError as error:
        _say(agent, {"op": "failed", "function": str(path), "reason": str(error)})
        return
    with program:
        entries = list(hello.local_entries)
        _say(agent, {"op": "hello", "version": hello.version, "local_entries": entries})
        is_over = threading.Event()
        for ends in ((agent, program), (program, agent)):
            threading.Thread(target=_pass_on, args=(*ends, is_over), daemon=True).start()
        is_over.wait()


def _agent() -> socket.socket:
    _, _, number = os.environ.pop(CONNECTION).partition(":")
    os.set_inheritable(int(number), False)
    return socket.socket(fileno=int(number))


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket and its token. Both are taken away once one has come: there is room for one."""
    token, beside = secrets.token_hex(32), path.with_name(f"{path.name}.token")
    with listen(path, _BACKLOG) as line:
        try:
            beside.unlink(missing_ok=True)
            there = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(there, "w") as file:
                file.write(token)
            yield line, token
        finally:
            for one in (path, beside):
                with contextlib.suppress(OSError):
                    one.unlink()


def _met(
    line: socket.socket, agent: socket.socket, token: str, path: Path
) -> tuple[socket.socket, AppHello]:
    """The first program that knows the token, and what it said."""
    while True:
        if agent in select.select([line, agent], [], [])[0]:  # it has nothing to say, and is gone
            sys.exit()
        program, _ = line.accept()
        try:
            check_peer(program, path)
            hello = _greeting(program)
            if hmac.compare_digest(hello.token.encode(), token.encode()):
                program.settimeout(None)
                return program, hello
            raise Malformed("token", f"it is not what {path}.token has")
        except Malformed as error:
            said = {"rule": error.what, "member": 0, "reason": str(error), "remedy": ""}
            with contextlib.suppress(OSError):
                _say(program, {"error": said})
            program.close()
        except (ForeignPeer, EOFError, OSError):
            program.close()


def _greeting(program: socket.socket) -> AppHello:
    """The first message. Raises Malformed, EOFError, and TimeoutError if it takes too long."""
    frames, end = Frames(HELLO), time.monotonic() + HELLO_SECONDS
    while True:
        program.settimeout(max(0.001, end - time.monotonic()))
        if not (count := program.recv_into(frames.room())):
            raise EOFError
        if frame := frames.filled(count):
            message = read_message(frame[0])
            if not isinstance(message, AppHello):
                raise Malformed("message", "hello comes first")
            return message


def _say(to: socket.socket, header: dict[str, object]) -> None:
    encoded = json.dumps(header).encode()
    to.sendall(len(encoded).to_bytes(4, "big") + encoded + bytes(8))


def _pass_on(source: socket.socket, sink: socket.socket, is_over: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    is_over.set()


def _end(*_: object) -> NoReturn:
    sys.exit()


if __name__ == "__main__":
    main()
