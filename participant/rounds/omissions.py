"""Telling whose contribution is in no sum, and why: each once, as soon as the board has it.

For the hospital's own, what the aggregator says is compared with what the hospital itself finds.
"""

from collections.abc import Iterator
from typing import Any

from protocol.rounds import LeftOut, RoundMember, RoundView, left_out
from protocol.terms import Terms

# What everybody who has the contributions can see for himself.
_CHECKABLE = ("another-opening", "unreadable", "repeated", "unproven", "vector")


class Omissions:
    """Looks at a round again and again, for whoever is newly found to be left out.

    The facts of the event "left-out": ``members`` (one name), ``is_own``, ``reason``
    (``protocol.rounds.view.Why``), ``other`` (a name, or None), ``told_by`` ("aggregator",
    "board" or "nobody"), and ``fits``: whether this hospital's own check finds nothing against its
    contribution, None where it was not or cannot be checked.
    """

    def __init__(self, member: RoundMember) -> None:
        """member: this hospital's part in the round."""
        self._member = member
        self._told: set[int] = set()

    def news(self, is_over: bool = False) -> Iterator[dict[str, Any]]:
        """The facts of each that was not told before.

        is_over: whether an aggregator that has not said why will say no more.
        """
        for found in left_out(self._member.view):
            if found.member not in self._told and (found.why != "unsaid" or is_over):
                self._told.add(found.member)
                yield self._facts(found)

    def _facts(self, found: LeftOut) -> dict[str, Any]:
        member, fits = self._member, None
        if found.member == member.index and found.why in _CHECKABLE and not member.view.closing:
            fits = found.member in member.fitting
        return omission_facts(found, member.terms, member.index) | {"fits": fits}


def omissions_in(view: RoundView, terms: Terms, index: int) -> tuple[dict[str, Any], ...]:
    """Whose contributions are not in the sum, and why; ``index``: this hospital's number."""
    return tuple(omission_facts(found, terms, index) for found in left_out(view))


def omission_facts(found: LeftOut, terms: Terms, index: int) -> dict[str, Any]:
    """What is told of a contribution that is left out; ``index``: this hospital's number."""
    return {
        "members": [terms.name_of(found.member)],
        "is_own": found.member == index,
        "reason": found.why,
        "other": terms.name_of(found.other) if found.other else None,
        "told_by": {"closed": "board", "unsaid": "nobody"}.get(found.why, "aggregator"),
        "fits": None,
    }
