"""What people are told of a round that is held back, in ``train`` and ``status``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from protocol.words import ways_out


def held_back(event: Mapping[str, Any]) -> str:
    """Why it waits, for whom, and the other way out, in whole sentences.

    event: the one of that name.
    """
    rounds = ", ".join(event["rounds"])
    why = (
        f"The sum of {rounds} began from the same model or data and is open. With it, any "
        "sum of the contributions that can be added now would show too few hospitals."
    )
    return " ".join([why, *ends(event["members"], event["needed"], event["study"])])


def ends(names: Sequence[str], needed: object, study: object) -> Iterator[str]:
    """``ways_out``, and what it means where nobody's contribution would let it close."""
    if not names:
        yield "One hospital's contribution cannot be added: the aggregator's status says whose."
    yield from ways_out(names, needed, study)
