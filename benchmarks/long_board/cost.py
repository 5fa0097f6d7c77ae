"""What a command costs: time, processor and memory, of all its processes together."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

_SAMPLE_SECONDS = 0.1


class CommandFailed(Exception):
    """A command that was to be measured did not work; its last words."""


@dataclass(frozen=True)
class Cost:
    """seconds: by the clock. cpu_seconds: of all its processes. peak_mib: of them at one time.

    What processes share counts once. The peak is that of samples, ten a second.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float

    def facts(self) -> dict[str, float]:
        """The same, rounded."""
        return {name: round(value, 2) for name, value in asdict(self).items()}


def cost_of(command: Sequence[str]) -> Cost:
    """Run a command to its end. Raises CommandFailed."""
    began, peak = monotonic(), [0.0]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.join()
    if process.returncode:
        raise CommandFailed(f"{' '.join(command)}: {errors[-2000:]}")
    return Cost(monotonic() - began, usage.ru_utime + usage.ru_stime, peak[0])


def _watch(session: int, peak: list[float]) -> None:
    """Keep the most memory that a session's processes have together, until it has ended."""
    pause = threading.Event()
    while used := [memory for place in _processes(session) if (memory := _used_kib(place))]:
        together = sum(own for own, _ in used) + max(shared for _, shared in used)
        peak[0] = max(peak[0], together / 1024)
        pause.wait(_SAMPLE_SECONDS)


def _processes(session: int) -> Iterator[Path]:
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                yield place


def _used_kib(place: Path) -> tuple[int, int] | None:
    """A process's own memory, and what it shares with any other; None once it has ended."""
    found = dict[str, int]()
    with contextlib.suppress(OSError):
        for line in (place / "smaps_rollup").read_text().splitlines()[1:]:
            name, _, size = line.partition(":")
            found[name] = int(size.split()[0])
    if not found:
        return None
    own = found["Private_Clean"] + found["Private_Dirty"]
    return own, found["Rss"] - own
