"""A statistic: the mean age of all patients, from two plain numbers of each hospital.

One hospital has not approved the study. It is refused by its own agent, whatever is typed there.
Two hospitals alone, fewer than the quorum, cannot open the sums of four.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples.demo.consortium import Consortium
from examples.demo.processes import DemoFailed, Hospital, checked, ending, finish, propose
from examples.demo.running import Running
from protocol.messages import Closing, round_session

NAME, SECONDS = "ages", 2
LABELS = ("patients", "sum of their ages")
PATIENCE_SECONDS = 5  # of two hospitals that ask for the sums alone
OUT_OF_TIME, REFUSED = 1, 3  # exit codes: of these two, and of what is not approved


def mean_age(running: Running) -> dict[str, Any]:
    """Four hospitals approve and contribute, the fifth does not; what came out, and the truth.

    Two agents go on. At the other hospitals commands do without.
    """
    consortium = running.consortium
    *approving, refusing = consortium.hospitals
    two, others = consortium.hospitals[:2], consortium.hospitals[2:]
    files = {h.number: _write(h) for h in consortium.hospitals}
    _propose(consortium, len(approving))
    consortium.approve(approving, [NAME])
    running.stop(others)
    command = ("contribute", "--federation", str(consortium.terms_file), "--study", NAME)
    log = consortium.logs / f"{NAME}.log"
    adding = [h.start(*command, files[h.number], log=log) for h in approving]
    with ending(adding):
        refused = refusing.participant(*command, files[refusing.number])
        finish(adding, "the contributions to the ages", 60)
    if refused.returncode != REFUSED:
        raise DemoFailed(f"a study that is not approved: {refused.returncode}, {refused}")
    opening = ("decrypt", str(consortium.terms_file), "--study", NAME, "--yes")
    running.wait_for("the ages to be summed", lambda: _is_closed(consortium), 60, pause=0.5)
    codes = _alone(two, opening, consortium.logs / "two-alone.log")
    for hospital in others:
        running.start(hospital)
    count, total = _sums(checked(approving[0].participant(*opening)))
    due = np.concatenate([_ages(h) for h in approving])
    if (count, total) != (len(due), due.sum()):
        raise DemoFailed(f"{count} patients, {total} years, not {len(due)} and {due.sum()}")
    return {
        "hospitals": len(approving),
        "patients": int(count),
        "mean_age": round(total / count, 2),
        "refused_at": refusing.name,
        "refusal": refused.stderr.splitlines()[0],
        "two_alone": {"exit_codes": codes, "seconds": PATIENCE_SECONDS},
    }


def _is_closed(consortium: Consortium) -> bool:
    entries = consortium.read_board().session(round_session(NAME, 1))
    return any(isinstance(posted.post.body, Closing) for posted in entries)


def _alone(two: Sequence[Hospital], opening: Sequence[str], log: Path) -> list[int]:
    """Two hospitals ask for the sums while nobody else is there: exit codes."""
    asking = [h.start(*opening, "--timeout", str(PATIENCE_SECONDS), log=log) for h in two]
    with ending(asking):
        codes = [process.wait(timeout=60) for process in asking]
    if codes != [OUT_OF_TIME, OUT_OF_TIME]:
        raise DemoFailed(f"two hospitals alone: exit codes {codes}")
    return codes


def describe(found: dict[str, Any]) -> str:
    """For people."""
    return (
        f"Two hospitals asked for the sums alone, and had none after "
        f"{found['two_alone']['seconds']} s.\n"
        f"{found['hospitals']} hospitals have {found['patients']} patients, of "
        f"{found['mean_age']} years in the mean. No hospital's own mean was opened.\n"
        f"{found['refused_at']} has not approved the study. Its agent says:\n"
        f"    {found['refusal']}"
    )


def _propose(consortium: Consortium, least: int) -> None:
    labels = [part for label in LABELS for part in ("--label", label)]
    propose(
        consortium.hospitals[0], consortium.terms_file, NAME,
        "--kind", "statistic", "--purpose", "The mean age of all patients", "--data", "patients",
        "--seconds", str(SECONDS), "--least-contributors", str(least), *labels,
    )  # fmt: skip


def _ages(hospital: Hospital) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Ages that are made up, one for each row of the hospital's file; the same every time."""
    patients = len(hospital.patients.read_text().splitlines()) - 1
    return np.random.default_rng(hospital.number).integers(30, 90, patients)


def _write(hospital: Hospital) -> str:
    ages, file = _ages(hospital), hospital.home / f"{NAME}.csv"
    rows = zip(LABELS, (len(ages), ages.sum()), strict=True)
    file.write_text("".join(f"{label},{number}\n" for label, number in rows))
    return str(file)


def _sums(said: str) -> tuple[float, float]:
    """The sums in what ``decrypt`` said."""
    found = {line.strip().partition("  ")[2]: line.split()[0] for line in said.splitlines() if line}
    return float(found[LABELS[0]]), float(found[LABELS[1]])
