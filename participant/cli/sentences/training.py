"""What ``train`` says of a round's events, each in a line or a few."""

from collections.abc import Callable, Mapping

from participant.cli.sentences.model import disagreement, entries
from participant.cli.sentences.omissions import complaint_line, held_back, left_out_line
from participant.cli.sentences.precision import SENTENCES as OF_PRECISION
from participant.training import Event


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


_WHOLE: Mapping[str, str | Callable[[Event], str]] = {  # what names its round itself
    "disagreement": lambda event: disagreement(round_of(event), event)
}
SENTENCES: Mapping[str, str | Callable[[Event], str | None]] = {
    **OF_PRECISION,
    "other-rounds": "waits for the end of {rounds}, which began where this round begins. Only one "
    "after the other can be added",
    "abstained": "fit had no examples. This hospital adds nothing to the sum",
    "weighed-otherwise": "this hospital adds nothing to the sum. It has added to {studies}, from "
    "this model or one near to it, where hospitals weigh otherwise. Both sums together could show "
    "what single hospitals added. Another study can have those weights, or begin elsewhere",
    "given-up": "the sum is there before the app has trained. Its process was ended, and a new one "
    "goes on with the next round",
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
