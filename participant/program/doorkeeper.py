"""The process at the socket to which programs of the hospital's own connect.

It runs as the programs' user. Who is of that user and knows the token is let in: its connection is
handed over to the agent. The token lies beside the socket, in a file that its owner alone can read.
It is begun by participant.app.process, has nothing of the hospital's, and ends with the agent.
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
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from participant.app import CONNECTION
from participant.conversation import HELLO, VERSION, AppHello, Frames, read_message
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
_BACKLOG = 4
_REMEDIES = {
    "token": "read the token anew from the file beside the socket, as quorate_client does",
    "message": "speak as docs/data-conversation.md says, or use quorate_client",
    "frame": "speak as docs/data-conversation.md says, or use quorate_client",
}


def main() -> None:
    """Let in programs, one after the other, until the agent has gone."""
    # It ends with the agent's connection alone, and takes away what it has made.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_parent()
    path, agent = Path(sys.argv[1]), _agent()
    try:
        with _listening(path) as (line, token):
            os.write(
                1, os.fsencode(f"waiting for a program to connect: {CONNECTION}=unix:{path}\n")
            )
            _say(agent, {"op": "hello", "version": VERSION})
            while agent not in select.select([line, agent], [], [])[0]:
                _let_in(line, agent, token, path)
    except ParticipantError as error:
        _say(agent, {"op": "failed", "function": str(path), "reason": _reason(error)})


def _agent() -> socket.socket:
    _, _, number = os.environ.pop(CONNECTION).partition(":")
    os.set_inheritable(int(number), False)
    return socket.socket(fileno=int(number))


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket and its token, which is another one each time; both are taken away at the end.

    The token is there, and whole, before the socket. Raises what ``listen`` raises, and DiskError
    where another agent listens there.
    """
    token, beside = secrets.token_hex(32), path.with_name(f"{path.name}.token")
    check_path(path)
    check_folder(path.parent)
    with _alone_in(path.parent):
        if other := connect(path):
            other.close()
            raise DiskError(path, "another study waits for programs there, so name another path")
        delete(beside)
        write_new(beside, token.encode())
        try:
            line = listen(path, _BACKLOG)
        except ParticipantError:
            delete(beside)
            raise
    with line:
        try:
            yield line, token
        finally:  # the socket last: once it is gone, another one may take the path
            for one in (beside, path):
                with contextlib.suppress(OSError):
                    one.unlink()


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """While the block runs, no other process looks whether a path of this folder is free."""
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


def _let_in(line: socket.socket, agent: socket.socket, token: str, path: Path) -> None:
    """Hand the next program that has come over to the agent, or send it away."""
    program, _ = line.accept()
    with program:
        program.settimeout(HELLO_SECONDS)
        try:
            hello = _greeting(program, agent)
            check_peer(program, path)
            if not hmac.compare_digest(hello.token.encode(errors="replace"), token.encode()):
                raise Malformed("token", f"it is not what {path}.token has")
            _hand_over(program, hello, agent)
        except Malformed as error:
            _refuse(program, error.what, error.reason, _REMEDIES.get(error.what, ""))
        except ForeignPeer as error:
            what = f"user {os.geteuid()} alone is let in, not user {error.user}"
            _refuse(program, "user", what, "run the program as that user")
        except (EOFError, OSError):
            pass


def _hand_over(program: socket.socket, hello: AppHello, agent: socket.socket) -> None:
    """The connection goes to the agent, with what the program has said first."""
    said = {**msgspec.to_builtins(hello), "token": ""}
    encoded = json.dumps(said).encode()
    frame = len(encoded).to_bytes(4, "big") + encoded + bytes(8)
    agent.sendall(frame[socket.send_fds(agent, [frame], [program.fileno()]) :])


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


def _refuse(program: socket.socket, rule: str, reason: str, remedy: str) -> None:
    _say(program, {"error": {"rule": rule, "member": 0, "reason": reason, "remedy": remedy}})


def _say(to: socket.socket, header: dict[str, object]) -> None:
    encoded = json.dumps(header).encode()
    with contextlib.suppress(OSError):  # it has gone
        to.sendall(len(encoded).to_bytes(4, "big") + encoded + bytes(8))


if __name__ == "__main__":
    main()
