"""The verification: what was checked, how much of it, and what came of it."""

from __future__ import annotations

from participant.naming import printable
from participant.report.facts import Report
from participant.report.markup import Markup, element
from participant.report.words import count
from protocol.audit.results import Remark, Result, Status

_SHOWN = {
    Status.OK: ("✓ holds", "ok"),
    Status.FINDING: ("✓ holds, with findings", "finding"),
    Status.FAILED: ("✗ FAILED", "failed"),
    Status.NOT_RUN: ("— not run", "finding"),
}


def verdict_box(report: Report) -> Markup:
    """The result at the top of the page."""
    results, failed = report.results, report.failed
    if failed:
        return element(
            "div",
            element("p", element("strong", f"✗ This record FAILED {count(len(failed), 'check')}")),
            element("p", f"Failed: {', '.join(failed)}. See Verification for what and whose."),
            class_="verdict fails",
            role="alert",
        )
    not_run = sum(r.status is Status.NOT_RUN for r in results)
    findings = sum(len(r.findings) for r in results)
    said = f"✓ All {len(results) - not_run} checks hold"
    rest = [
        f"{count(not_run, 'check')} could not be run" if not_run else "",
        f"{count(findings, 'finding')}: what the protocol dealt with, or a reader has to know"
        if findings
        else "Nothing remarkable was found.",
    ]
    kind = "open" if not_run else "holds"
    return element(
        "div",
        element("p", element("strong", said)),
        [element("p", line) for line in rest if line],
        class_=f"verdict {kind}",
    )


def checks_section(report: Report) -> Markup:
    """All checks in a table, then what was found in each."""
    header = element(
        "tr",
        element("th", "no.", scope="col"),
        element("th", "what was checked", scope="col"),
        element("th", "looked at", scope="col", class_="number"),
        element("th", "result", scope="col"),
    )
    table = element(
        "table",
        element("caption", "All checks of this record, run anew for this page"),
        element("thead", header),
        element("tbody", [_row(result) for result in report.results]),
        class_="cards",
    )
    return element(
        "section",
        element("h2", "Verification"),
        _compare(report),
        table,
        [_details(result) for result in report.results],
        id="verification",
    )


def _compare(report: Report) -> Markup | None:
    if report.contents is None:
        return None
    return element(
        "p",
        "No check can tell whether this is the federation that you mean. Compare these twelve "
        "words with those that a hospital tells you (quorate-participant terms show): ",
        element("strong", report.contents.fingerprint, class_="words"),
    )


def _row(result: Result) -> Markup:
    said, kind = _SHOWN[result.status]
    return element(
        "tr",
        element("td", result.number, data_label="no."),
        element("th", result.title, scope="row"),
        element("td", f"{result.count:,}", class_="number", data_label="looked at"),
        element("td", said, class_=kind, data_label="result"),
    )


def _details(result: Result) -> Markup | None:
    lines = [
        *(_remark("Failed", remark, "failed") for remark in result.failures),
        *(_remark("Finding", remark, "finding") for remark in result.findings),
        *(element("li", printable(note)) for note in result.notes),
    ]
    if result.not_run:
        lines.append(element("li", f"Not run: {result.not_run}"))
    if not lines:
        return None
    return element(
        "div",
        element("h3", f"{result.number} {result.title}"),
        element("ul", lines, class_="remarks"),
    )


def _remark(kind: str, remark: Remark, class_: str) -> Markup:
    at = f"entry {remark.entry}, " if remark.entry else ""
    said = f" {at}{remark.party}: {remark.reason}"
    return element("li", element("span", f"{kind}:", class_=class_), said)
