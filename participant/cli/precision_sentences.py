"""What ``train`` says of a round's bounds and rounding."""

from __future__ import annotations

from collections.abc import Callable

from participant.journal import Event

_NOTABLE = 0.01  # of the average's changes: from here on rounding is warned of


def precision_line(event: Event) -> str | None:
    """The sentence for an event, if it is one of these and worth one."""
    sentence = SENTENCES.get(event["event"])
    return sentence(event) if sentence else None


def rounding_cell(value: float | None) -> str:
    """What rounding changed, for a table."""
    if value is None:
        return "-"
    if value < 1e-5:
        return "< 0.001 %"
    return f"{100 * value:.0f} %" if value >= _NOTABLE else f"{100 * value:.2g} %"


def _scaled(event: Event) -> str:
    first = (
        f"this hospital's update was scaled to {100 * event['to']:.3g} % of itself, since its "
        f"largest change is beyond the round's bound of {event['clip']:g}"
    )
    if event["is_terms"]:
        return f"{first}, which the terms set. Only new terms with a larger --clip take it whole"
    return f"{first}. The next round's bound follows it"


def _weighed_as(event: Event) -> str:
    first = f"this hospital's {event['examples']} examples weigh as {event['weight']}, the"
    if event["examples"] > event["weight"]:
        return f"{first} most that hospitals had in the rounds before. The next round follows them"
    return f"{first} fewest that this round can weigh: its scale is for much larger hospitals"


def _rounding(event: Event) -> str | None:
    if event["rounding"] <= _NOTABLE:
        return None
    return (
        f"WARNING: rounding changed the average by about {100 * event['rounding']:.0f} % (root "
        "mean square). The bounds of later rounds follow what hospitals need. The first round has "
        "the terms' own: a smaller --clip and --max-examples make it more exact"
    )


def _widened(event: Event) -> str:
    return (
        f"{', '.join(event['members'])} asked for wider bounds than the counts of the rounds "
        f"before give: a weight may change by {event['clip']:g}, {event['most']} examples weigh "
        "most. What this hospital contributes is rounded more coarsely for it"
    )


def _narrowed(event: Event) -> str:
    return (
        "this hospital adds nothing to the sum. It was missing from the counts of the round before "
        "and asked for wider bounds, but the aggregator opened the round without its word: with "
        f"{event['clip']:g} as the largest change and {event['most']} as the most examples, the "
        "liar would choose what this hospital's update counts for"
    )


def _halved_more(event: Event) -> str:
    return (
        "this hospital adds nothing to the sum. Its update from this same model was smaller when "
        "the model was last trained, and now has to be halved more often: the two sums would "
        "show a part of it. Another model ends that (--new-model-after)"
    )


def _counts_refused(event: Event) -> str:
    return (
        "the counts by size do not add up to the contributors, so that the next three rounds have "
        "the terms' own bounds. Some contributor's agent is another release, or lies; no agent can "
        "tell which"
    )


def _uncounted(event: Event) -> str:
    return (
        "this hospital is missing from the counts by size: some contributor lies, and no agent can "
        "tell which. This hospital asks for the terms' own bounds in the next three rounds"
    )


SENTENCES: dict[str, Callable[[Event], str | None]] = {
    "scaled": _scaled,
    "weighed-as": _weighed_as,
    "widened": _widened,
    "narrowed": _narrowed,
    "halved-more": _halved_more,
    "rounding": _rounding,
    "counts-refused": _counts_refused,
    "uncounted": _uncounted,
}
