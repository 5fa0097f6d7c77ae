"""Where the aggregator was reached, and which hospital has seen which of its cards when."""

from collections import Counter

from participant.report.facts import CardFacts, Contents
from participant.report.markup import Markup, element, join, table
from participant.report.words import names, when
from protocol.terms import Terms
from protocol.words import shown

_LABELS = ("card", "address", "known by", "seen by", "first seen (UTC)")


def cards_section(contents: Contents) -> Markup:
    """All cards, and which of them contradict each other."""
    return element(
        "section", element("h2", "The aggregator's address"), _seen(contents), id="address"
    )


def _seen(contents: Contents) -> list[Markup]:
    if not contents.cards:
        return [element("p", "No hospital has said where it reaches the aggregator.")]
    intro = (
        "An aggregator may move. It then signs a newer card with another address, and each "
        "hospital says once which card it has."
    )
    counts = Counter(card.number for card in contents.cards)
    double = [number for number, count in counts.items() if count > 1]
    warnings = [element("p", _conflict(number), class_="failed") for number in double]
    rows = [_row(card, contents.terms, card.number in double) for card in contents.cards]
    caption = "The aggregator's cards, and who has seen them"
    return [element("p", intro), *warnings, table(caption, _LABELS, rows, "cards")]


def _conflict(number: int) -> str:
    return (
        f"The aggregator's key has signed two cards with the number {number}, and led hospitals to "
        "two places."
    )


def _row(card: CardFacts, terms: Terms, is_double: bool) -> Markup:
    first = min(card.seen.values(), key=lambda deed: deed.entry)
    everyone = len(card.seen) == terms.n_members
    who = f"all {terms.n_members} hospitals" if everyone else names(terms, sorted(card.seen))
    trust = f"TLS key {card.pin.hex()[:16]}…" if card.pin else "public certificate authorities"
    return element(
        "tr",
        element("th", f"card {card.number}", scope="row", class_="failed" if is_double else ""),
        element("td", shown(card.url), data_label=_LABELS[1]),
        element("td", trust, data_label=_LABELS[2]),
        element("td", who, data_label=_LABELS[3]),
        element("td", join(f"{when(first.time_ms)} (entry {first.entry})"), data_label=_LABELS[4]),
    )
