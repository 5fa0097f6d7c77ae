"""``python -m tests.fuzz``: run fuzz targets under atheris, each in a process of its own.

A target fails at any exception that its decoder has no leave to raise, at an execution of more
than 5 s, and at a process of more than 256 MiB.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
TIMEOUT_SECONDS, MEMORY_MIB = 5, 256
HEADER = (
    "| target | decoder | executions | seconds | per second | peak MiB | slowest ms | edges |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|"
)
_DONE = re.compile(r"DONE +cov: (\d+)")
_RUNS = re.compile(r"stat::number_of_executed_units: +(\d+)")
_SLOWEST = re.compile(r"slowest execution: (\d+) us")


@dataclass(frozen=True)
class Outcome:
    """What one run of a target came to; ``log`` is kept where it failed."""

    name: str
    failed: bool
    executions: int
    seconds: float
    peak_mib: int
    slowest_ms: float
    edges: int
    log: Path

    @property
    def row(self) -> str:
        """A line of the table in docs/fuzzing.md."""
        per_second = self.executions / self.seconds if self.seconds else 0
        return (
            f"| `{self.name}` | {TARGETS[self.name].decoder} | {self.executions:,} | "
            f"{self.seconds:.0f} | {per_second:,.0f} | {self.peak_mib} | {self.slowest_ms:.0f} | "
            f"{self.edges} |"
        )


def fuzz(name: str, runs: int, seconds: int, folder: Path) -> Outcome:
    """Run a target so often, or so long if that comes first (0: as long as it takes)."""
    work = folder / name
    (work / "corpus").mkdir(parents=True)
    flags = [f"-runs={runs}", f"-timeout={TIMEOUT_SECONDS}", f"-rss_limit_mb={MEMORY_MIB}",
             "-seed=1", "-print_final_stats=1", f"-artifact_prefix={work}/"]  # fmt: skip
    flags += [f"-max_total_time={seconds}"] if seconds else []
    flags += [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(work / "corpus"), *flags]
    log, started = work / "log", time.monotonic()
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
    took, said = time.monotonic() - started, log.read_text(errors="replace")
    peak = usage.ru_maxrss // 1024
    return Outcome(
        name,
        status != 0 or not _DONE.search(said) or peak > MEMORY_MIB,
        _number(_RUNS, said),
        took,
        peak,
        _number(_SLOWEST, said) / 1000,
        _number(_DONE, said),
        log,
    )


def _number(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return int(found[1]) if found else 0


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 if no target found anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, unless some are named")
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions of each target")
    parser.add_argument("--seconds", type=int, default=0, help="at most, for each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--keep", type=Path, help="folder for logs and inputs that failed")
    chosen = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(f"fuzzing needs atheris, which is not installed for Python {version}: "
              "make fuzz PYTHON=python3.11, or a version that atheris has wheels for",
              file=sys.stderr)  # fmt: skip
        return 2
    names = chosen.targets or sorted(TARGETS)
    if unknown := set(names) - set(TARGETS):
        print(f"no such target: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="quorate-fuzz-"))
    print(HEADER)
    failed = []
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for outcome in pool.map(lambda n: fuzz(n, chosen.runs, chosen.seconds, folder), names):
            print(outcome.row, flush=True)
            if outcome.failed:
                failed.append(outcome)
    for outcome in failed:
        print(f"{outcome.name}: failed; see {outcome.log}", file=sys.stderr)
    if not failed and not chosen.keep:
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
