"""Which of some contributions the aggregator would add, judged at one go."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.rounds.sums import Candidate, Judging, Selection
from keyshare.steps import finish
from protocol.board.messages import Opening
from protocol.rounds.ciphertexts import EncryptionKey
from protocol.terms.terms import Terms


def select(
    candidates: Mapping[int, Candidate],
    session: str,
    opening: Opening,
    terms: Terms,
    key: EncryptionKey,
) -> Selection:
    """What can be added of the contributions to a round, which are in the order of the board."""
    judging = Judging(session, opening, terms, key)
    for member, candidate in candidates.items():
        finish(judging.judge(member, candidate))
    return judging.selection
