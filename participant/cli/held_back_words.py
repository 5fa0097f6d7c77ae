"""What ends a round that is held back, as ``train`` and ``status`` say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from protocol.counted import number_of


def held_back(number: int, event: Mapping[str, Any]) -> str:
    """Why it waits, for whom, and the other way out; ``event``: the one of that name."""
    rounds = ", ".join(event["rounds"])
    why = (
        f"held back. The sum of round {rounds} began from the same model and is open. With it, any "
        "sum of the contributions that can be added now would show too few hospitals."
    )
    return " ".join([why, *ways_out(event["members"], event["needed"], number)])


def ways_out(names: Sequence[str], needed: object, number: object) -> Iterator[str]:
    """A sentence for each way out of round ``number``.

    names: of the hospitals whose contributions would let it close, none where nobody's would.
    needed: how many hospitals another model takes; 0 where no round is left for it.
    """
    if names:
        contribute = number_of(len(names), "contributes", "contribute")
        yield f"The round goes on as soon as {', '.join(names)} {contribute}."
    else:
        yield "One hospital's contribution cannot be added: the aggregator's status says whose."
    if needed:
        yield (
            f"At least {needed} hospitals can give it up and begin another model: they stop train "
            f"and start it again, all with --new-model-after {number}."
        )
    else:
        yield "It is the last round: more of them need new terms."
