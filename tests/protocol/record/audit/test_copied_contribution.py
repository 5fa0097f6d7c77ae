"""Whose contribution is copied, before it is on the board, is no liar in the record."""

from protocol.record.audit.observed.judged_round import JudgedContribution
from protocol.record.audit.observed.round_evidence import RoundEvidence
from protocol.rounds.ciphertexts import Encrypted
from tests.stage.rounds.contribution import written
from tests.stage.rounds.toy_round import EPOCH, Round, training

COPIER, COPIED, HONEST = 5, 1, (1, 3, 4)


def judged() -> dict[int, JudgedContribution]:
    """A round in which a member posts another's ciphertexts first, without their proof."""
    at = Round()
    opening = at.open().digest
    made = {m: written(at.proved(m, training(m)), opening, EPOCH) for m in HONEST}
    at.give(COPIER, written(Encrypted(made[COPIED].encrypted.values, None), opening, EPOCH))
    for member in HONEST:
        at.give(member, made[member])
    assert at.members[2].fitting == frozenset(HONEST)
    at.close(HONEST)
    at.settle()
    assert not at.refusals
    entries = at.board.session("study/cardio/1")
    evidence = RoundEvidence(at.state, EPOCH, entries, lambda a: a.data or at.blobs[a.digest])
    return {one.member: one for one in evidence.judged.contributions}


def test_the_record_has_nothing_against_who_was_copied() -> None:
    found = judged()
    assert found[COPIER].proof
    assert not any(found[m].form or found[m].repetition or found[m].proof for m in HONEST)
