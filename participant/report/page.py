"""The page: one file without scripts and without anything to be fetched."""

from participant.report.cards_section import cards_section
from participant.report.checks_section import checks_section, verdict_box
from participant.report.facts import Contents, Report
from participant.report.figures_section import accuracy_section
from participant.report.markup import Markup, element, join
from participant.report.plots import patterns
from participant.report.rounds_section import rounds_section
from participant.report.sections import (
    ceremonies_section,
    federation_section,
    glossary_section,
    others_section,
)
from participant.report.studies_section import studies_section
from participant.report.style import style
from participant.report.words import count, when

_SECTIONS = {
    "verification": "Verification",
    "federation": "The federation",
    "ceremonies": "The joint key",
    "studies": "Studies",
    "rounds": "Rounds",
    "accuracy": "The models",
    "address": "The aggregator's address",
    "glossary": "Five words",
}


def render(report: Report) -> str:
    """The page of a report; the same report gives the same page."""
    contents = report.contents
    title = f"Record of {contents.terms.name}" if contents else "A record that does not read"
    state = f"VERIFICATION FAILED: {', '.join(report.failed)}" if report.failed else "Verified"
    head = contents.head.hash.hex()[:32] if contents else ""
    foot = f"Entry {contents.head.position}, {head}" if contents else ""
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            element("title", title),
            Markup(f"<style>{style(title, state, foot)}</style>"),
        ),
        element("body", _body(report, title)),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _body(report: Report, title: str) -> Markup:
    contents = report.contents
    if contents is None:
        unread = element("p", "The terms in it do not read, so nothing else in it can be told.")
        return join(_header(title, None), verdict_box(report), unread, checks_section(report))
    sections = (
        checks_section(report),
        federation_section(contents),
        ceremonies_section(contents),
        studies_section(contents),
        rounds_section(contents),
        accuracy_section(contents, report.journal),
        cards_section(contents),
        others_section(contents),
        glossary_section(contents),
    )
    warning = _warning() if report.failed else None
    marked = [join(section) for section in sections]
    return join(
        patterns(),
        _header(title, contents),
        verdict_box(report),
        _glance(contents),
        _navigation(),
        element("main", marked[0], warning, marked[1:]),
        _footer(contents),
    )


def _header(title: str, contents: Contents | None) -> Markup:
    period = None
    if contents and contents.first and contents.last:
        period = element(
            "p",
            f"{count(contents.head.position, 'entry')} from {when(contents.first.time_ms)} to "
            f"{when(contents.last.time_ms)} UTC, by the aggregator's clock",
            class_="soft",
        )
    kicker = element("p", "Report on the record of a federation", class_="kicker")
    return element("header", kicker, element("h1", title), period)


def _glance(contents: Contents) -> Markup:
    terms = contents.terms
    decrypted = sum(len(r.decrypted) >= terms.quorum for r in contents.rounds)
    refused = sum(bool(r.refusals) for r in contents.rounds)
    facts = {
        "hospitals": str(terms.n_members),
        "quorum": f"{terms.quorum} of {terms.n_members}",
        "joint key": f"{terms.key_bits:,} bits",
        "studies": str(len(contents.studies)),
        "rounds decrypted": str(decrypted),
        "rounds refused": str(refused),
    }
    cells = [
        element("div", element("dt", what), element("dd", value)) for what, value in facts.items()
    ]
    return element("dl", cells, class_="glance")


def _navigation() -> Markup:
    links = [
        element("li", element("a", title, href=f"#{anchor}")) for anchor, title in _SECTIONS.items()
    ]
    return element("nav", element("ul", links), aria_label="Contents")


def _warning() -> Markup:
    said = (
        "This record has not passed its verification. What follows is what could be read of it, "
        "and must not be relied on."
    )
    return element("p", said, class_="warning")


def _footer(contents: Contents) -> Markup:
    return element(
        "footer",
        element("p", f"Federation {contents.terms.federation.hex()}"),
        element(
            "p", f"Head of the record: entry {contents.head.position}, {contents.head.hash.hex()}"
        ),
        element("p", "Anyone can check this record: quorate-participant verify RECORD"),
    )
