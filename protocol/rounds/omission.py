"""Whose contribution to a round is not in its sum, and why, as far as the board tells.

The aggregator chooses who is in a sum, and says why somebody is not: that is its word, signed, and
it may be a lie. What came after the closing is seen by everybody.
"""

from typing import Literal, NamedTuple

from protocol.messages import OmissionReason
from protocol.rounds.view import RoundView

Why = OmissionReason | Literal["closed", "unsaid"]


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
    found = {m: LeftOut(m, "closed") for m in view.late}
    for member in view.contributions.keys() - set(view.contributors):
        if said := view.omissions.get(member):
            found[member] = LeftOut(member, said.reason, said.other)
        elif view.closing:
            found[member] = LeftOut(member, "unsaid")
    return [found[member] for member in sorted(found)]
