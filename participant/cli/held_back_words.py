"""What people are told of a round that is held back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def held_back(number: int, event: Mapping[str, Any]) -> str:
    """Why it waits, for whom, and the other way out; ``event``: the one of that name."""
    names, rounds = ", ".join(event["members"]), ", ".join(event["rounds"])
    said = [
        f"held back. The sum of round {rounds} began from the same model and is open. With it, any "
        "sum of the contributions that can be added now would show too few hospitals.",
        f"The round goes on as soon as {names} contributes."
        if names
        else "One hospital's contribution cannot be added: the aggregator's status says whose.",
    ]
    if event["needed"]:
        said.append(
            f"At least {event['needed']} hospitals can give it up and begin another model: they "
            f"stop train and start it again, all with --new-model-after {number}"
        )
    else:
        said.append("It is the last round: more of them need new terms")
    return " ".join(said)
