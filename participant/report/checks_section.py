"""The verification: what was checked, how much of it, and what came of it."""

from participant.report.facts import Report
from participant.report.markup import Markup, element, table
from participant.report.words import count
from protocol.record.audit import Remark, Result, Status

_SHOWN = {
    Status.OK: ("✓ holds", "ok"),
    Status.FINDING: ("✓ holds, see below", "finding"),
    Status.FAILED: ("✗ FAILED", "failed"),
    Status.NOT_RUN: ("— not run", "none"),
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
    not_run = [r for r in results if r.status is Status.NOT_RUN]
    findings = sum(len(r.findings) for r in results)
    lines = [
        f"{count(findings, 'finding')}: what went wrong and was dealt with, or a reader has to know"
        if findings
        else "Nothing remarkable was found.",
        *(f"Not run: {r.number}, since {r.not_run}" for r in not_run),
    ]
    return element(
        "div",
        element("p", element("strong", f"✓ All {len(results) - len(not_run)} checks hold")),
        [element("p", line) for line in lines],
        class_="verdict holds",
    )


def checks_section(report: Report) -> Markup:
    """All checks in a table, and what was found: first, where something failed."""
    labels, rows = ("no.", "what was checked", "looked at", "result"), map(_row, report.results)
    caption = "All checks of this record, run anew for this page"
    checks = table(caption, labels, rows, "checks", "looked at")
    told = (_remarks(report), checks) if report.failed else (checks, _remarks(report))
    return element(
        "section",
        element("h2", "Verification"),
        _compare(report),
        told,
        _notes(report),
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
    if result.status is Status.OK and not result.count:
        said, kind = "— nothing to check", "none"
    return element(
        "tr",
        element("td", result.number),
        element("th", result.title, scope="row"),
        element("td", f"{result.count:,}", class_="number"),
        element("td", said, class_=kind),
    )


def _remarks(report: Report) -> Markup | None:
    """Failures, then findings, in a table."""
    rows = [
        _remark(result, remark, said)
        for said in ("failed", "finding")
        for result in report.results
        for remark in (result.failures if said == "failed" else result.findings)
    ]
    if not rows:
        return None
    caption = "Failures and findings. Entry: the place on the board that shows it"
    return table(caption, ("check", "what", "entry", "who", "why"), rows, "cards")


def _remark(result: Result, remark: Remark, said: str) -> Markup:
    return element(
        "tr",
        element("th", result.number, scope="row"),
        element("td", said, class_=said, data_label="what"),
        element("td", str(remark.entry or "—"), data_label="entry"),
        element("td", remark.party, data_label="who"),
        element("td", remark.reason, data_label="why"),
    )


def _notes(report: Report) -> Markup | None:
    lines = [
        element("li", f"{result.number}: {note}")
        for result in report.results
        for note in result.notes
    ]
    if not lines:
        return None
    return element("div", element("h3", "Notes"), element("ul", lines, class_="remarks notes"))
