"""A statistic: the mean age of all patients, from two plain numbers of each hospital.

One hospital has not approved the study. It is refused by its own agent, whatever is typed there.
"""

from typing import Any

import numpy as np

from examples.demo.consortium import Consortium
from examples.demo.processes import DemoFailed, Hospital, ending, finish, propose

NAME, SECONDS = "ages", 8
LABELS = ("patients", "sum of their ages")
REFUSED = 3  # exit code of what this hospital has not approved


def mean_age(consortium: Consortium) -> dict[str, Any]:
    """Four hospitals approve and contribute, the fifth does not; what came out, and the truth."""
    *approving, refusing = consortium.hospitals
    files = {h.number: _write(h) for h in consortium.hospitals}
    terms = str(consortium.terms_file)
    with consortium.serving():
        _propose(consortium)
        consortium.approve(approving, NAME)
        command = ("contribute", "--federation", terms, "--study", NAME)
        refused = refusing.participant(*command, files[refusing.number])
        if refused.returncode != REFUSED:
            raise DemoFailed(f"a study that is not approved: {refused.returncode}, {refused}")
        logs = {h.number: consortium.logs / f"{NAME}-{h.number}.log" for h in approving}
        adding = [h.start(*command, files[h.number], log=logs[h.number]) for h in approving]
        with ending(adding):
            finish(adding, "the contributions to the ages", 60)
        opening = ("decrypt", terms, "--study", NAME, "--yes")
        processes = [h.start(*opening, log=logs[h.number]) for h in approving]
        with ending(processes):
            finish(processes, "the decryption of the ages", 60)
    count, total = _sums(logs[1].read_text())
    due = np.concatenate([_ages(h) for h in approving])
    if (count, total) != (len(due), due.sum()):
        raise DemoFailed(f"{count} patients, {total} years, not {len(due)} and {due.sum()}")
    return {
        "hospitals": len(approving),
        "patients": int(count),
        "mean_age": round(total / count, 2),
        "refused_at": refusing.name,
        "refusal": refused.stderr.splitlines()[0],
    }


def describe(found: dict[str, Any]) -> str:
    """For people."""
    return (
        f"{found['hospitals']} hospitals have {found['patients']} patients, of "
        f"{found['mean_age']} years in the mean. No hospital's own mean was opened.\n"
        f"{found['refused_at']} has not approved the study. Its agent says:\n"
        f"    {found['refusal']}"
    )


def _propose(consortium: Consortium) -> None:
    labels = [part for label in LABELS for part in ("--label", label)]
    propose(
        consortium.hospitals[0], consortium.terms_file, NAME,
        "--kind", "statistic", "--purpose", "The mean age of all patients", "--data", "patients",
        "--seconds", str(SECONDS), *labels,
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
