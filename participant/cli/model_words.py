"""What people are told of the model that is trained: in what it differs from other hospitals'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from protocol.foreign import shown

_MOST = 3  # entries that a sentence names


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
