"""What people are told of what was left out of a sum, and of a round that is held back, and why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from protocol.words import shown, ways_out, why_left_out

_IN_TIME = {"late", "closed"}


def left_out_line(found: Mapping[str, Any], kind: str) -> str:
    """The sentences for one contribution.

    found: as ``Omissions`` reports it; from an aggregator's report, of any content.
    kind: "training" or "statistic".
    """
    why = why_left_out(found.get("reason"), found.get("other"))
    if found.get("reason") not in ("closed", "unsaid"):
        why = f"the aggregator says that {why}"
    whose = (
        "This hospital's contribution" if found.get("is_own") else f"{_names(found)}'s contribution"
    )
    said = [f"{whose} is not in the sum: {why}."]
    if found.get("fits") is True:
        said.append(
            "This hospital's own check finds nothing against it. Ask the aggregator's operator, "
            "and tell the other members"
        )
    elif found.get("is_own"):
        said.append(_remedy(str(found.get("reason")), kind))
    elif found.get("reason") in (*_IN_TIME, "differencing"):
        said.append("Nothing is wrong with it")
    else:
        said.append(f"Ask {_names(found)} whether it runs the same release as the others")
    return " ".join(said)


def _names(found: Mapping[str, Any]) -> str:
    return ", ".join(map(shown, found["members"]))


def _remedy(reason: str, kind: str) -> str:
    """What the hospital whose contribution it is does about it."""
    if kind == "statistic":
        again = "A contribution is never replaced: ask for another study of these numbers"
        return (
            f"Contribute before the others' time is over. {again}" if reason in _IN_TIME else again
        )
    if reason in _IN_TIME:
        return (
            "There is nothing to do: it takes part in the next round. If that happens again, this "
            "hospital needs longer than the plan waits: another study needs larger --seconds"
        )
    if reason == "differencing":
        return (
            "Nothing is wrong with it, and there is nothing to do: it takes part in the next round"
        )
    if reason == "withdrawn":
        return "It withdrew, or approved only after the round was opened"
    if reason == "unsaid":
        return "It takes part in the next round. Ask the aggregator's operator"
    return (
        "Compare the releases here and at the aggregator, and see that no other copy of this data "
        "folder is at work"
    )


def complaint_line(about: str, by: str, entry: int, verdict: str) -> str:
    """A line for people; verdict: as ``protocol.rounds.complaints.judge_complaint`` has it."""
    if verdict == "proven":
        return f"{about} sent a wrong partial decryption, left out. Entry {entry} is the evidence"
    if verdict == "false":
        return f"{by} complains of {about} without cause (entry {entry})"
    return (
        f"{by} could not open {about}'s partial decryption and left it out. Entry {entry} says so, "
        "which nobody else can check"
    )


def held_back(event: Mapping[str, Any]) -> str:
    """Why it waits, for whom, and the other way out, in whole sentences.

    event: the one of that name.
    """
    return " ".join([why_held_back(event), ways_on(event)])


def why_held_back(event: Mapping[str, Any]) -> str:
    """With which open sum any sum of a round would show too few hospitals."""
    return (
        f"The sum of {', '.join(event['rounds'])} began from the same model or data and is open. "
        "With it, any sum of the contributions that can be added now would show too few hospitals."
    )


def ways_on(event: Mapping[str, Any]) -> str:
    """For whom it waits, and the other way out."""
    return " ".join(ends(event["members"], event["needed"], event["study"]))


def ends(names: Sequence[str], needed: object, study: object) -> Iterator[str]:
    """``ways_out``, and what it means where nobody's contribution would let it close."""
    if not names:
        yield "One hospital's contribution cannot be added: the aggregator's status says whose."
    yield from ways_out(names, needed, study)
