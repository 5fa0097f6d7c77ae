"""The process between the agent and a program of the hospital's own, which connects to a socket.

It listens until a program has come that knows the token, and then passes on what both say. The
token lies beside the socket, in a file that its owner alone can read, and is another one each time.
It is begun by participant.app.process, has nothing of the hospital's, and ends with either of the
two: the agent begins a new one where the program has gone.
"""

import contextlib
import fcntl
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
from participant.disk import (
    check_folder,
    check_path,
    check_peer,
    connect,
    delete,
    disk_errors,
    listen,
    write_new,
)
from participant.errors import DiskError, ForeignPeer, ParticipantError, UnsafeFolder
from protocol.errors import Malformed
from protocol.programs.processes import end_with_parent

HELLO_SECONDS = 5.0  # that a program has to say who it is
HELLO = Limits(header=1 << 20, body=0)
_BACKLOG = 4
_CHUNK = 1 << 20


def main() -> None:
    """Let one program talk with the agent, until either is gone."""
    # While it listens it ends with the agent's connection alone, and takes away what it has made.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_parent()
    path, agent = Path(sys.argv[1]), _agent()
    try:
        with _listening(path) as (line, token):
            program, hello = _met(line, agent, token, path)
    except ParticipantError as error:
        _say(agent, {"op": "failed", "function": str(path), "reason": _reason(error)})
        return
    signal.signal(signal.SIGTERM, _end)
    with program:
        entries = list(hello.local_entries)
        _say(agent, {"op": "hello", "version": hello.version, "local_entries": entries})
        is_over = threading.Event()
        for ends in ((agent, program), (program, agent)):
            threading.Thread(target=_pass_on, args=(*ends, is_over), daemon=True).start()
        is_over.wait()
        _end()


def _agent() -> socket.socket:
    _, _, number = os.environ.pop(CONNECTION).partition(":")
    os.set_inheritable(int(number), False)
    return socket.socket(fileno=int(number))


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket and its token. Both are taken away once one has come: there is room for one.

    The token is there, and whole, before the socket. Raises what ``listen`` raises, and DiskError
    where another relay listens there.
    """
    token, beside = secrets.token_hex(32), path.with_name(f"{path.name}.token")
    check_path(path)
    check_folder(path.parent)
    with _alone_in(path.parent):
        if other := connect(path):
            other.close()
            raise DiskError(path, "a program is waited for there already, so name another path")
        delete(beside)
        write_new(beside, token.encode())
        try:
            line = listen(path, _BACKLOG)
        except ParticipantError:
            delete(beside)
            raise
    with line:
        os.write(1, os.fsencode(f"waiting for a program to connect: {CONNECTION}=unix:{path}\n"))
        try:
            yield line, token
        finally:  # the socket last: once it is gone, another relay may take the path
            for one in (beside, path):
                with contextlib.suppress(OSError):
                    one.unlink()


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """While the block runs, no other relay looks whether a path of this folder is free."""
    with disk_errors(folder):
        number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _reason(error: ParticipantError) -> str:
    if isinstance(error, UnsafeFolder):
        what = f"belongs to {error.owner}" if error.owner else f"has mode {error.mode:o}"
        return f"{error.path} {what}: it has to be the program's user's own, with mode 700"
    return str(error)


def _met(
    line: socket.socket, agent: socket.socket, token: str, path: Path
) -> tuple[socket.socket, AppHello]:
    """The first program that knows the token, and what it said."""
    while True:
        if agent in select.select([line, agent], [], [])[0]:  # it has nothing to say, and is gone
            sys.exit()
        program, _ = line.accept()
        program.settimeout(HELLO_SECONDS)
        try:
            hello = _greeting(program, agent)
            check_peer(program, path)
            if hmac.compare_digest(hello.token.encode(errors="replace"), token.encode()):
                program.settimeout(None)
                return program, hello
            raise Malformed("token", f"it is not what {path}.token has")
        except Malformed as error:
            _refuse(program, error.what, str(error))
        except ForeignPeer as error:
            _refuse(program, "user", f"user {os.geteuid()} alone is let in, not user {error.user}")
        except (EOFError, OSError):
            program.close()


def _greeting(program: socket.socket, agent: socket.socket) -> AppHello:
    """The first message. Raises Malformed, EOFError, and TimeoutError if it takes too long."""
    frames, end = Frames(HELLO), time.monotonic() + HELLO_SECONDS
    while True:
        left = max(0.0, end - time.monotonic())
        there = select.select([program, agent], [], [], left)[0]
        if agent in there:
            sys.exit()
        if not there:
            raise TimeoutError
        if not (count := program.recv_into(frames.room())):
            raise EOFError
        if frame := frames.filled(count):
            message = read_message(frame[0])
            if not isinstance(message, AppHello):
                raise Malformed("message", "hello comes first")
            return message


def _refuse(program: socket.socket, rule: str, reason: str) -> None:
    with program:
        _say(program, {"error": {"rule": rule, "member": 0, "reason": reason, "remedy": ""}})


def _say(to: socket.socket, header: dict[str, object]) -> None:
    encoded = json.dumps(header).encode()
    with contextlib.suppress(OSError):  # it has gone
        to.sendall(len(encoded).to_bytes(4, "big") + encoded + bytes(8))


def _pass_on(source: socket.socket, sink: socket.socket, is_over: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    is_over.set()


def _end(*_: object) -> NoReturn:
    os._exit(0)  # at once: one that is slow to end is killed, and that is told as a fault


if __name__ == "__main__":
    main()
