"""The rounds: all in a table and a plot, then one after the other."""

from collections import defaultdict
from collections.abc import Mapping

from participant.report.facts import PHASES, Contents, Deed, RefusalFacts, RoundFacts
from participant.report.markup import Markup, element, join, table, unbroken
from participant.report.plots import phases_plot, swatch
from participant.report.words import between, count, entries, names, took, when
from protocol.terms import Terms

# With soft hyphens, for narrow screens.
_SHOWN_LABELS = 50
_COLUMNS = (
    Markup("contri&shy;bution"), Markup("lock"), Markup("partial decryp&shy;tion"),
    Markup("state&shy;ment"),
)  # fmt: skip


def rounds_section(contents: Contents) -> Markup:
    """Every round that the board knows."""
    terms, rounds = contents.terms, contents.rounds
    opened = [r for r in rounds if r.opened]
    before = [r for r in rounds if not r.opened]
    return element(
        "section",
        element("h2", "Rounds"),
        [element("p", _unopened(r, terms)) for r in before],
        _overview(opened, terms) if opened else element("p", "No round was opened."),
        _plot([r for r in opened if r.is_training and r.phases]),
        [_round(r, terms) for r in opened],
        id="rounds",
    )


def _unopened(found: RoundFacts, terms: Terms) -> str:
    if found.name.endswith("/0"):
        holders = names(terms, sorted(found.stated))
        return f"{found.study}: the first model is held by {holders}."
    ready = f"; ready: {names(terms, sorted(found.stated))}" if found.stated else ""
    return f"{found.name} was not opened{ready}."


def outcome(found: RoundFacts, terms: Terms) -> str:
    """What became of a round, in a few words."""
    if found.closed is None:
        return "open"
    if len(found.decrypted) < terms.quorum:
        return "refused" if found.refusals else "not decrypted"
    if not found.results:
        return "decrypted"
    if len(set(found.results.values())) > 1:
        return "decrypted, results differ"
    return f"decrypted, {len(found.results)} of {terms.n_members} agree on the result"


def _overview(rounds: list[RoundFacts], terms: Terms) -> Markup:
    labels = ("round", "suite", "in the sum", "left out", "outcome", "opened (UTC)", "took")
    rows = [_overview_row(r, terms, labels) for r in rounds]
    caption = "All rounds. Took: from the opening to the end of the last phase below"
    return table(caption, labels, rows, "cards", "took")


def _overview_row(found: RoundFacts, terms: Terms, labels: tuple[str, ...]) -> Markup:
    said = outcome(found, terms)
    absent = [m for m in range(1, terms.n_members + 1) if m not in found.contributed]
    out = [f"{terms.name_of(m)} ({_why(found.reasons.get(m, ''))})" for m in found.left_out]
    if absent:
        out.append(f"{names(terms, absent)} (did not contribute)")
    assert found.opened is not None
    cells = (
        f"{found.suite}, {count(found.length, 'weight' if found.is_training else 'number')}",
        f"{len(found.chosen)} of {terms.n_members}" if found.closed else "open",
        "; ".join(out) or "nobody",
        said,
        when(found.opened.time_ms),
        took(sum(found.phases.values())) if found.phases else "—",
    )
    kinds = ("", "", "", "failed" if "differ" in said or said == "refused" else "", "", "number")
    return element(
        "tr",
        element("th", found.name, scope="row"),
        [
            element("td", cell, class_=kind, data_label=label)
            for cell, kind, label in zip(cells, kinds, labels[1:], strict=True)
        ],
    )


def _why(reason: str) -> str:
    """Why a contribution is left out, by the aggregator's word."""
    if reason in ("", "unsaid"):
        return "the aggregator does not say why"
    return f"the aggregator says: {reason}"


def _plot(rounds: list[RoundFacts]) -> Markup | None:
    if not rounds:
        return None
    legend = [element("li", swatch(phase), phase) for phase in PHASES]
    said = (
        "How long each phase of training's rounds took, by the times of the board's entries: until "
        "the last contribution of the sum, its closing, enough locks, enough partial decryptions, "
        "and enough statements of the result for another round to open."
    )
    return element(
        "figure",
        element("h3", "Seconds of each phase, by round"),
        phases_plot(rounds),
        element("ul", legend, class_="legend"),
        element("figcaption", said),
    )


def _round(found: RoundFacts, terms: Terms) -> Markup:
    assert found.opened is not None
    decimals = count(found.decimals, "decimal")
    what = f"A statistic of {count(found.length, 'number')} with {decimals}"
    if found.is_training:
        what = (
            f"Training of {count(found.length, 'weight')}, each changed by {found.clip:g} at most,"
        )
    closed = ", not closed when this record was made"
    if found.closed:
        later = unbroken(between(found.opened.time_ms, found.closed.time_ms))
        closed = join(", closed ", later, " later")
    opened = unbroken(f"{when(found.opened.time_ms)} UTC")
    facts = join(f"{what} under the suite {found.suite}. Opened ", opened, closed, ". Outcome: ")
    word = element("strong", outcome(found, terms))
    return element(
        "article",
        element("h3", f"{'Round' if found.is_training else 'Statistic'} {found.name}"),
        element("p", facts, word, "."),
        _labels(found.labels),
        _deeds(found, terms, found.opened),
        _remarks(found, terms),
        _phases(found),
        class_="round",
    )


def _labels(labels: tuple[str, ...]) -> Markup | None:
    """What the numbers of a statistic are called by who asked for it."""
    if not labels:
        return None
    more = len(labels) - _SHOWN_LABELS
    said = "; ".join(labels[:_SHOWN_LABELS]) + (f"; and {more} more" if more > 0 else "")
    return element("p", "Its numbers, as they were asked for: ", said, ".")


def _deeds(found: RoundFacts, terms: Terms, opened: Deed) -> Markup:
    """Who did what, and how long after the opening."""
    did: tuple[Mapping[int, Deed], ...] = (
        found.contributed, found.locked, found.decrypted, found.stated,
    )  # fmt: skip
    rows = []
    for member in range(1, terms.n_members + 1):
        cells = [element("th", terms.name_of(member), scope="row")]
        for column, deeds in zip(_COLUMNS, did, strict=True):
            deed = deeds.get(member)
            if deed is None:
                cells.append(element("td", element("span", "—", class_="none", title="no")))
                continue
            said = f"+{between(opened.time_ms, deed.time_ms)}"
            is_out = column is _COLUMNS[0] and member in found.left_out
            cells.append(
                element(
                    "td",
                    said,
                    element("br") if is_out else None,
                    element("span", "left out", class_="failed") if is_out else None,
                )
            )
        rows.append(element("tr", cells))
    caption = "Who did what, and how long after the opening (—: not)"
    return table(caption, ("hospital", *_COLUMNS), rows, "deeds")


def _remarks(found: RoundFacts, terms: Terms) -> Markup | None:
    """Refusals, complaints, and results that differ."""
    alike = defaultdict[tuple[str, int, str], list[RefusalFacts]](list)
    for refusal in found.refusals:
        alike[refusal.rule, refusal.member, refusal.reason].append(refusal)
    lines = [
        join(
            element("strong", names(terms, [r.by for r in refusals])),
            f" refused to help ({entries([r.entry for r in refusals])}), by the rule {rule}"
            f"{f', on account of {names(terms, [member])}' if member else ''}: {reason}",
        )
        for (rule, member, reason), refusals in alike.items()
    ]
    for c in found.complaints:
        proof = "with the key that shows it" if c.has_key else "without a key, which proves nothing"
        said = (
            f" said that the partial decryptions of {names(terms, [c.member])} are wrong, {proof}"
        )
        lines.append(join(element("strong", names(terms, [c.by])), f"{said} (entry {c.entry})."))
    if len(set(found.results.values())) > 1:
        for result in sorted(set(found.results.values())):
            who = [m for m in sorted(found.results) if found.results[m] == result]
            lines.append(join(f"{names(terms, who)} stated the result {result.hex()[:16]}…"))
    if not lines:
        return None
    return element("ul", [element("li", line) for line in lines], class_="remarks")


def _phases(found: RoundFacts) -> Markup | None:
    if not found.phases:
        return None
    said = [unbroken(f"{phase} {took(seconds)}") for phase, seconds in found.phases.items()]
    rest = [join(", ", phase) for phase in said[1:]]
    return element("p", "Phases: ", said[0], rest, ".", class_="soft")
