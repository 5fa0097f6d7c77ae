"""An app that looks for what is the hospital's: secrets in memory, in the system, and in files.

It writes what it got to $FINDINGS: of each attempt what came of it, or the system's refusal. It is
no app beyond that, and training ends where it is read.
"""

import ctypes
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

AGENT, HOME = os.getppid(), Path(os.environ["HOSPITAL_HOME"])
PTRACE_SEIZE, PIDFD_GETFD = 0x4206, 438
LIBC = ctypes.CDLL(None, use_errno=True)


class Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def read(path: Path) -> str:
    """Some of a file."""
    with path.open("rb") as file:
        return repr(file.read(64))


def memory() -> str:
    """A page of the agent's, if its map can be read."""
    line = next(r for r in Path(f"/proc/{AGENT}/maps").read_text().splitlines() if " rw-p " in r)
    with open(f"/proc/{AGENT}/mem", "rb", buffering=0) as file:
        file.seek(int(line.partition("-")[0], 16))
        return repr(file.read(64))


def system(name: str, *arguments: Any) -> str:
    """A call of the C library; raises OSError."""
    ctypes.set_errno(0)
    if getattr(LIBC, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return "done"


def other_memory() -> str:
    """The agent's memory, by its address, where nobody has to read a map."""
    buffer = ctypes.create_string_buffer(8)
    here, there = Piece(ctypes.addressof(buffer), 8), Piece(ctypes.addressof(buffer), 8)
    return system("process_vm_readv", AGENT, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)


def take_descriptor() -> str:
    """A copy of a descriptor of the agent's."""
    return system("syscall", PIDFD_GETFD, os.pidfd_open(AGENT), 0, 0)


def own_descriptors() -> list[str]:
    """What this process was left with."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue  # the listing's own
    return found


def own_memory(into: Path) -> str:
    """All that this process holds, for a test that knows what must not be in it."""
    with open("/proc/self/mem", "rb", buffering=0) as memory, into.open("wb") as file:
        for row in Path("/proc/self/maps").read_text().splitlines():
            place, rights, *_ = row.split()
            start, stop = (int(one, 16) for one in place.split("-"))
            if rights.startswith("rw") and stop - start < 1 << 28:
                memory.seek(start)
                file.write(memory.read(stop - start))
    return "done"


def asks_for_more() -> str:
    """Another kind of message on the only connection: it has to be the data conversation's."""
    names = os.listdir("/proc/self/fd")
    links = {
        n: os.readlink(f"/proc/self/fd/{n}") for n in names if os.path.exists(f"/proc/self/fd/{n}")
    }
    number = next(int(n) for n, link in links.items() if link.startswith("socket:"))
    said = json.dumps({"op": "approve", "study": "cardio"}).encode()
    with socket.socket(fileno=os.dup(number)) as connection:
        connection.sendall(len(said).to_bytes(4, "big") + said + bytes(8))
        return repr(connection.recv(64))


ATTEMPTS: dict[str, Callable[[], Any]] = {
    "memory": memory,
    "memory by address": other_memory,
    "environment": lambda: read(Path(f"/proc/{AGENT}/environ")),
    "descriptors": lambda: os.readlink(f"/proc/{AGENT}/fd/0"),
    "a descriptor": take_descriptor,
    "its files": lambda: os.listdir(f"/proc/{AGENT}/cwd"),
    "trace": lambda: system("ptrace", PTRACE_SEIZE, AGENT, 0, 0),
    "core": lambda: read(Path(f"/proc/{AGENT}/auxv")),
    "command line": lambda: Path(f"/proc/{AGENT}/cmdline").read_text(),
    "end the agent": lambda: os.kill(AGENT, 0),
    "sealed key share": lambda: read(next(HOME.glob("*/vault/*"))),
    "journal": lambda: [str(path) for path in HOME.iterdir()],
    "passphrase file": lambda: Path(os.environ["PASSPHRASE_FILE"]).read_text(),
    "change the home": lambda: (HOME / "left-by-an-app").write_text("x"),
    "own environment": lambda: dict(os.environ),
    "own descriptors": own_descriptors,
    "own memory": lambda: own_memory(Path(os.environ["FINDINGS"] + ".memory")),
}


def attempted(attempt: Callable[[], Any]) -> Any:
    """What came of it; a refusal is told as the system's words."""
    try:
        return {"got": attempt()}
    except (OSError, StopIteration) as error:
        return {"refused": str(error)}


Path(os.environ["FINDINGS"]).write_text(
    json.dumps({"uid": os.getuid(), **{name: attempted(a) for name, a in ATTEMPTS.items()}})
)
asks_for_more()
