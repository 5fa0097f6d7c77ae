"""Run fuzz targets under atheris, each in a process of its own.

A target fails at any exception that its decoder has no leave to raise, at an execution of more
than 5 s, and at a process of more than 256 MiB.
"""

import argparse
import importlib.util
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
TIMEOUT_SECONDS, MEMORY_MIB = 5, 256
HEADER = (
    "| target | decoder | executions | seconds | per second | peak MiB | slowest ms | edges |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|"
)
_NO_ATHERIS = (
    "Fuzzing needs atheris, which is not installed for Python {}.{}; install it with make fuzz, "
    "under a Python that atheris has wheels for."
)


@dataclass(frozen=True)
class Job:
    """A target in work."""

    name: str
    folder: Path
    started: float

    @property
    def log(self) -> Path:
        """What the target's process said."""
        return self.folder / "log"


def begin(name: str, runs: int, folder: Path) -> tuple[int, Job]:
    """Start a target in a process of its own, and give its number."""
    job = Job(name, folder / name, time.monotonic())
    job.folder.mkdir(parents=True)
    child = os.fork()
    if child:
        return child, job
    try:
        _fuzz(job, runs)
    except Exception:  # of a target that could not be made ready
        traceback.print_exc()
    # At this exit libFuzzer writes down the input that failed; after a run it ends itself.
    sys.exit(1)


def _fuzz(job: Job, runs: int) -> None:
    from tests.fuzz.one import fuzz

    output = os.open(job.log, os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    flags = [f"-runs={runs}", f"-timeout={TIMEOUT_SECONDS}", f"-rss_limit_mb={MEMORY_MIB}",
             "-seed=1", "-print_final_stats=1", f"-artifact_prefix={job.folder}/"]  # fmt: skip
    flags += [str(CORPUS / job.name)] if (CORPUS / job.name).is_dir() else []
    fuzz(job.name, job.folder / "corpus", flags)


def finish(job: Job, status: int, peak_mib: int) -> tuple[str, bool]:
    """A line of the table in docs/security/fuzzing.md, and whether the target found nothing."""
    seconds = time.monotonic() - job.started
    from tests.fuzz.targets import TARGETS

    said = job.log.read_text(errors="replace")
    runs = int(_last(r"number_of_executed_units: +(\d+)", said))
    row = (
        f"| `{job.name}` | {TARGETS[job.name].decoder} | {runs:,} | {seconds:.0f} | "
        f"{runs / seconds:,.0f} | {peak_mib} | {_last(r'slowest execution: ([0-9.]+)', said)} | "
        f"{_last(r'DONE +cov: ([0-9]+)', said)} |"
    )
    return row, status == 0 and " DONE " in said.replace("\t", " ") and peak_mib <= MEMORY_MIB


def _last(pattern: str, text: str) -> str:
    found = re.findall(pattern, text)
    return found[-1] if found else "0"


def run_all(names: Sequence[str], runs: int, jobs: int, folder: Path) -> list[Job]:
    """Run targets, so many at a time, and print their rows; those that failed."""
    waiting, working = list(names), dict[int, Job]()
    failed = []
    while waiting or working:
        while waiting and len(working) < jobs:
            child, job = begin(waiting.pop(0), runs, folder)
            working[child] = job
        child, status, usage = os.wait4(-1, 0)
        row, passed = finish(working[child], status, usage.ru_maxrss // 1024)
        print(row, flush=True)
        job = working.pop(child)
        failed += [] if passed else [job]
    return failed


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 if no target found anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, unless some are named")
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions of each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--folder", type=Path, help="for logs and inputs that failed")
    chosen = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        print(_NO_ATHERIS.format(*sys.version_info), file=sys.stderr)
        return 2
    from tests.fuzz.one import TARGETS  # the first import of what is to be instrumented

    names = chosen.targets or sorted(TARGETS)
    if unknown := set(names) - set(TARGETS):
        print(f"There is no target {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="quorate-fuzz-"))
    print(HEADER, flush=True)
    failed = run_all(names, chosen.runs, chosen.jobs, folder)
    for job in failed:
        print(f"{job.name} failed: see {job.folder}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
