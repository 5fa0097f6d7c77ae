"""Which of some contributions the aggregator would add, judged at one go."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.sums import Candidate, Judging, Selection
from keyshare.steps import finish
from protocol.ciphertexts import EncryptionKey
from protocol.messages import Opening
from protocol.terms import Terms


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
