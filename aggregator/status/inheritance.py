"""How far members have taken over the key of the federation before, by the board."""

from collections import Counter

from aggregator.status.ceremony import Report
from protocol.board import Board
from protocol.terms import Terms


def inheritance_report(board: Board, terms: Terms) -> Report | None:
    """Who has said which key was taken over; None where the terms take none over.

    said_another: who says otherwise than what counts, or than most before anything counts.
    """
    if not terms.takes_over_key:
        return None
    found = board.key.inheritance
    most = Counter(found.said.values()).most_common(1)
    expected = found.counted or (most[0][0] if most else None)
    return {
        "epoch": found.epoch.number if found.epoch else None,
        "needed": terms.lock_threshold,
        "said": [terms.name_of(m) for m, word in sorted(found.said.items()) if word == expected],
        "not_said": [terms.name_of(m) for m in found.missing],
        "said_another": [
            terms.name_of(m) for m, word in sorted(found.said.items()) if word != expected
        ],
    }
