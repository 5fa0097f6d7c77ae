"""Reasons on the board, which say members' numbers, as people read them."""

import re

from protocol.terms import Terms
from protocol.words import line

_MEMBER = re.compile(r"\bmember ([0-9]{1,3})\b")


def in_names(text: str, terms: Terms) -> str:
    """One line, with names where a reason from the protocol has members' numbers."""
    return _MEMBER.sub(lambda found: terms.name_of(int(found[1])), line(text))
