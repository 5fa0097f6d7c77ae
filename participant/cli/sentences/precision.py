"""What ``train`` says of a round's bounds and rounding."""

from collections.abc import Callable, Mapping

from participant.training import Event

_NOTABLE = 0.01  # of the average's changes: from here on rounding is warned of


def rounding_cell(value: float | None) -> str:
    """What rounding changed, for a table."""
    if value is None:
        return "-"
    if value < 1e-5:
        return "< 0.001 %"
    return f"{100 * value:.0f} %" if value >= _NOTABLE else f"{100 * value:.2g} %"


def _beyond_plan(event: Event) -> str:
    largest = f"{event['largest']:.4g}"
    if float(largest) <= event["clip"]:
        largest = repr(event["largest"])
    return (
        f"this hospital adds nothing to the sum. Its update changes a weight by {largest}, and the "
        f"plan allows {event['clip']:g}. Data that are scaled as at the other hospitals, a smaller "
        "learning rate or fewer local steps make it smaller. Else another study needs a larger "
        "--clip"
    )


def _rounding(event: Event) -> str | None:
    if event["rounding"] <= _NOTABLE:
        return None
    return (
        f"WARNING: rounding changed the average by about {100 * event['rounding']:.0f} % (root "
        "mean square). The bounds of later rounds follow what hospitals need. The first round has "
        "the plan's own: a smaller --clip and --max-examples make it more exact"
    )


SENTENCES: Mapping[str, str | Callable[[Event], str | None]] = {
    "beyond-plan": _beyond_plan,
    "blinded": "this hospital's update does not fit the round, where a weight may change by "
    "{clip:g} and {most} examples weigh most. It sends random numbers in the update's place: the "
    "sum will show nobody's update. The next round's bounds follow it",
    "outgrown": "by the counts, some hospital's update did not fit the round, and nobody learns "
    "whose. The sum shows no update, and the model stays as it was. The next round goes on from "
    "it, with room for all",
    "widened": "{members} asked for wider bounds than the counts of the rounds before give: a "
    "weight may change by {clip:g}, {most} examples weigh most. What this hospital contributes is "
    "rounded more coarsely for it",
    "coarse": "WARNING: rounding hides the changes of this round, and the model stays as it was. "
    "The next round's bounds follow what hospitals need. A smaller --clip and --max-examples make "
    "the first round more exact",
    "unchanged": "no hospital has changed anything, and the model stays as it was",
    "rounding": _rounding,
    "counts-refused": "the counts by size do not add up to the contributors, so that the next "
    "three rounds have the plan's own bounds. Some contributor's agent is another release, or "
    "lies. No agent can tell which",
    "uncounted": "this hospital is missing from the counts by size: some contributor lies, and no "
    "agent can tell which. This hospital asks for the plan's own bounds in the next three rounds",
}
