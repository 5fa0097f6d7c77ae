"""What ``train`` says of a round's events, of its bounds and rounding, in a line or a few each."""

from collections.abc import Callable, Mapping

from participant.cli.sentences.model import disagreement, entries
from participant.cli.sentences.omissions import (
    complaint_line,
    held_back,
    left_out_line,
    ways_on,
    why_held_back,
)
from participant.cli.sentences.sentence import Context, Said, Sentence
from participant.errors import RoundHeldUp
from participant.training import Event

_MOST_ROUNDS = 10  # that a line names
_NOTABLE = 0.01  # of the average's changes: from here on rounding is warned of


def lines_of(event: Event) -> list[str]:
    """What there is to say of an event; nothing of most."""
    name, said_of = event["event"], round_of(event)
    if name == "entries":
        return entries(event)
    if name in _WHOLE:
        return [_said(_WHOLE[name], event)]
    said = _said(SENTENCES.get(name, ""), event)
    return [f"{said_of}: {said}"] if said else []


def round_of(event: Event) -> str:
    """An event's round, as people say it: ``cardio/7``."""
    return f"{event['study']}/{event['round']}"


def _said(sentence: str | Callable[[Event], str | None], event: Event) -> str:
    """A sentence with the event's facts in it, its lists of names with commas."""
    if not isinstance(sentence, str):
        return sentence(event) or ""
    lists = {key: ", ".join(map(str, v)) for key, v in event.items() if isinstance(v, list)}
    return sentence.format_map({**event, **lists})


def _complaint(event: Event) -> str:
    (about,) = event["members"]
    return complaint_line(about, event["by"], event["entry"], event["verdict"])


def _void(event: Event) -> str:
    if event["by"] == "aggregator":
        return (
            f"{event['reason']}. Every hospital finds the same, and the model stays as it was. "
            "Ask its operator who has had access to it"
        )
    return (
        f"no honest contributions have such a sum ({event['reason']}), so "
        "the model stays as it was. Was every hospital's agent the same release?"
    )


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


_WHOLE: Mapping[str, str | Callable[[Event], str]] = {  # what names its round itself
    "disagreement": lambda event: disagreement(round_of(event), event)
}
_OF_PRECISION: Mapping[str, str | Callable[[Event], str | None]] = {
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


def _not_compared(event: Event) -> str:
    rounds = event["rounds"]
    names = ", ".join(rounds[:_MOST_ROUNDS]) + (", …" if len(rounds) > _MOST_ROUNDS else "")
    return (
        f"the model before {names} is not here any more, or does not read. So this hospital counts "
        "what it adds as nearly the same as there. Some sums then wait for the same hospitals. If "
        "another hospital still has that model, put it back under its name"
    )


_OTHER_ROUNDS = "waits for the end of {rounds}, which began where this round begins"
_IN_TURN = "Only one after the other can be added"
_WEIGHED_OTHERWISE = (
    "this hospital adds nothing to the sum. It has added to {studies}, from this model or one near "
    "to it, where hospitals weigh otherwise. Both sums together could show what single hospitals "
    "added"
)
_ELSEWHERE = "Another study can have those weights, or begin elsewhere"
SENTENCES: Mapping[str, str | Callable[[Event], str | None]] = {
    **_OF_PRECISION,
    "other-rounds": f"{_OTHER_ROUNDS}. {_IN_TURN}",
    "abstained": "fit had no examples. This hospital adds nothing to the sum",
    "weighed-otherwise": f"{_WEIGHED_OTHERWISE}. {_ELSEWHERE}",
    "not-compared": _not_compared,
    "lost-round": "the round was lost, since the key was refreshed while it was open. The study "
    "goes on from the model before",
    "given-up": "the round is over before the app has trained. Its process was ended, and a new "
    "one goes on with the next round",
    "wrong-partial": _complaint,
    "false-complaint": _complaint,
    "left-out": lambda event: left_out_line(event, "training"),
    "void": _void,
    "false-checksum": "the checksum that {members} posted is not that of the vector contributed. "
    "The sum was checked without it. Was the agent another release?",
    "differencing": "with the sum of {rounds}, from the same model, its sum shows what "
    "{members} alone added",
    "held-back": lambda event: f"held back. {held_back(event)}",
}
TOLD = {"entries", "evaluated"} | _WHOLE.keys() | SENTENCES.keys()


def _held_up(e: RoundHeldUp, c: Context) -> Sentence:
    """For a program at a socket, which trains beside whoever reads of the event."""
    if e.event == "held-back":
        what, remedy = f"{e.round_name} is held back. {why_held_back(e.facts)}", ways_on(e.facts)
        return Sentence(what.removesuffix("."), remedy.removesuffix("."))
    is_in_turn = e.event == "other-rounds"
    why, remedy = (_OTHER_ROUNDS, _IN_TURN) if is_in_turn else (_WEIGHED_OTHERWISE, _ELSEWHERE)
    return Sentence(f"{e.round_name}: {_said(why, e.facts)}", remedy)


HELD_UP: Said = {RoundHeldUp: _held_up}
