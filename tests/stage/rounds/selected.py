"""Which of some contributions the aggregator would add, judged at one go."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.rounds.sums import Judging
from keyshare.steps import finish
from protocol.board.messages import Contribution, Opening
from protocol.rounds.ciphertexts import EncryptionKey
from protocol.terms.terms import Terms


def select(
    contributions: Mapping[int, tuple[Contribution, bytes]],
    session: str,
    opening: Opening,
    terms: Terms,
    key: EncryptionKey,
) -> Judging:
    """What can be added of these bodies and payloads, which are in the order of the board."""
    judging = Judging(session, opening, terms, key)
    for member, said in contributions.items():
        finish(judging.judge(member, *said))
    return judging
