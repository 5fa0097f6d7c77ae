"""Whose contribution to a round is not in its sum, and why, as far as the board tells.

The aggregator chooses who is in a sum, and says why somebody is not: that is its word, signed, and
it may be a lie. What came after the closing is seen by everybody.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from protocol.board.messages import OmissionReason
from protocol.rounds.view import RoundView
from protocol.words.foreign import shown

Why = OmissionReason | Literal["closed", "unsaid"]

_WORDS: dict[str, str] = {
    "late": "it came while the sum was being made",
    "closed": "it came after the round was closed",
    "another-opening": "it answers another opening of the round",
    "differencing": (
        "with it, the sum and one that is open already would show what too few hospitals added"
    ),
    "unreadable": "its ciphertexts are not those that the round asks for",
    "unproven": "it has no proof that fits its ciphertexts",
    "vector": "its encrypted vector has another number or another size of chunks",
    "unsaid": "the aggregator does not say why",
}


class LeftOut(NamedTuple):
    """A member whose contribution is on the board, and in no sum of the round.

    ``why``: as the aggregator says; "closed" for what came after the closing, by the board; or
    "unsaid". ``other``: as in Omission.
    """

    member: int
    why: Why
    other: int = 0


def left_out(view: RoundView) -> list[LeftOut]:
    """All of a round, by member; of one that is not closed, those that can be in no sum.

    Whoever is in the sum is not left out, whatever was said of it.
    """
    closing = view.closed
    chosen = {c.member for c in closing.contributors} if closing else set[int]()
    found = {m: LeftOut(m, "closed") for m in view.late}
    for member in view.contributions.keys() - chosen:
        if said := view.omissions.get(member):
            found[member] = LeftOut(member, said.reason, said.other)
        elif closing:
            found[member] = LeftOut(member, "unsaid")
    return [found[member] for member in sorted(found)]


def in_words(why: object, other: object) -> str:
    """A reason as people read it; ``why`` and ``other``, a name, may be anybody's words."""
    if why == "repeated":
        return f"it repeats a ciphertext of {shown(other)}"
    return _WORDS.get(str(why), f"({shown(why)})")
