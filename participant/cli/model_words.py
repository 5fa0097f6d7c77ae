"""What people are told of the model: what is averaged, and in what it differs from others'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from participant.entry import described
from protocol.foreign import shown

_MOST = 3  # entries that a sentence names


def entries(event: Mapping[str, Any]) -> list[str]:
    """What is averaged, a line, and what stays at the hospital, a line for each reason."""
    averaged = event["averaged"]
    first = [f"{shown(e['name'])} {_spec(e)}" for e in averaged[:_MOST]]
    said = [
        f"Averaged with the other hospitals: {_count(averaged)}, {event['weights']} weights "
        f"({_list(first, len(averaged))})"
    ]
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    for entry in event["at_home"]:
        by_reason.setdefault(entry["why"], []).append(entry)
    for why, found in by_reason.items():
        first = [f"{shown(e['name'])} {shown(e['what'])}" for e in found[:_MOST]]
        names = _list(first, len(found))
        said.append(f"Stays at this hospital: {_count(found)} ({names}), since {why}")
    return said


def _spec(entry: Mapping[str, Any]) -> str:
    return described(tuple(entry["shape"]), entry["dtype"])


def _count(found: Sequence[object]) -> str:
    return f"{len(found)} {'entry' if len(found) == 1 else 'entries'}"


def _list(first: Sequence[str], count: int) -> str:
    return ", ".join([*first, f"{count - len(first)} more"] if count > len(first) else first)


def disagreement(number: int, event: Mapping[str, Any]) -> str:
    """Who is not at this hospital's model, in which entries, and who does what about it."""
    names = ", ".join(event["members"])
    said = [
        f"{names}: not at this hospital's model after round {number}.",
        *map(_entries, event["entries"]),
    ]
    alike, needed = event["agreeing"], event["needed"]
    if alike >= needed:
        said.append(f"{alike} hospitals agree, and go on without those who do not")
        return " ".join(said)
    who = f"{alike} hospitals state" if alike > 1 else "Only this hospital states"
    said.append(f"{who} this model, and a round opens once {needed} state the same.")
    said.append(f"Whoever is wrong {_remedy(number, event)}")
    return " ".join(said)


def _remedy(number: int, event: Mapping[str, Any]) -> str:
    if event["entries"]:
        return "starts train again with the app and the columns of the others"
    if number:
        return "puts another hospital's models in its data folder and starts train again"
    return (
        "starts train again with the right app and libraries. Their entries are alike, and only "
        "their numbers differ: initial_parameters must give the same at every hospital"
    )


def _entries(found: Mapping[str, Any]) -> str:
    """In what one hospital's entries differ from this one's."""
    differing: Sequence[Mapping[str, Any]] = found["differences"]
    if not differing:
        return f"The entries of {found['member']}'s model are others than here."
    told = [_difference(one) for one in differing[:_MOST]]
    if rest := len(differing) + found["more"] - len(told):
        told.append(f"{rest} more differ")
    return f"The entries of {found['member']}'s model are others than here: {', '.join(told)}."


def _difference(found: Mapping[str, Any]) -> str:
    name, here, there = f"'{shown(found['name'])}'", found["here"], found["there"]
    if here is None:
        return f"{name} ({there}) is there alone"
    if there is None:
        return f"{name} ({here}) is here alone"
    return f"{name} is {there} there and {here} here"
