"""What the demo leaves to an auditor: the record, verified, and a page about it."""

from typing import Any

from examples.demo.consortium import Consortium
from examples.demo.processes import DemoFailed, aggregate, checked


def leave_record(consortium: Consortium) -> dict[str, Any]:
    """Export from the aggregator and, into the same folder, from a hospital; verify; report.

    The aggregator runs.
    """
    terms, record = str(consortium.terms_file), consortium.folder / "record"
    page, first = consortium.folder / "report.html", consortium.hospitals[0]
    place = ("--data", str(consortium.data), "--out", str(record))
    checked(aggregate("export", terms, *place))
    # What it finds there must be, byte for byte, what it has verified itself.
    exported = checked(first.participant("export", terms, "--out", str(record)))
    verifying = first.start("verify", str(record), log=consortium.logs / "verify.log")
    studies = first.folder(consortium.terms.federation) / "studies"
    journal = studies / consortium.tumours.name / "rounds.jsonl"
    try:
        reported = first.participant(
            "report", str(record), "--out", str(page), "--journal", str(journal)
        )
    finally:
        code = verifying.wait(timeout=120)
    if code:
        raise DemoFailed(f"the record does not verify: see {consortium.logs / 'verify.log'}")
    checked(reported)
    return {
        "entries": consortium.read_board().head.position,
        "record": str(record),
        "report": str(page),
        "said": exported.splitlines()[1:3] + reported.stdout.splitlines(),
    }


def describe(left: dict[str, Any]) -> str:
    """For people."""
    return "\n".join(
        [
            f"record  {left['record']}  (check it anywhere: quorate-participant verify)",
            f"report  {left['report']}  (open it in a browser)",
            *(line.strip() for line in left["said"]),
        ]
    )
