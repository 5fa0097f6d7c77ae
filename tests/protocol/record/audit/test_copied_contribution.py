"""Whose contribution is copied, before it is on the board, is no liar in the record."""

from protocol.board.messages import Closing, Contribution, Contributor, attach
from protocol.record.audit.round_evidence import JudgedContribution, RoundEvidence
from protocol.rounds.ciphertexts import Encrypted, add_encrypted, write_ciphertexts
from tests.stage.rounds.toy_round import EPOCH, KEY, TERMS, Round, training

COPIER, COPIED, HONEST = 5, 1, (1, 3, 4)


def judged() -> dict[int, JudgedContribution]:
    """A round in which a member posts another's ciphertexts first, without their proof."""
    at, blobs = Round(), dict[bytes, bytes]()
    opening = at.open()
    made = {member: at.proved(member, training(member)) for member in HONEST}

    def contribute(member: int, encrypted: Encrypted) -> None:
        payload = write_ciphertexts(encrypted, KEY.n)
        attachment = attach(payload)
        blobs[attachment.digest] = payload
        at.publish(member, Contribution(opening.digest, attachment), (payload,))

    contribute(COPIER, Encrypted(made[COPIED].values, None))
    for member in HONEST:
        contribute(member, made[member])
    assert at.members[2].fitting == frozenset(HONEST)
    posts = at.members[2].view.contributions
    total = write_ciphertexts(add_encrypted([made[m] for m in HONEST], KEY.n), KEY.n)
    contributors = tuple(Contributor(m, posts[m].digest) for m in HONEST)
    at.publish(0, Closing(contributors, attach(total)), (total,))
    at.settle()
    assert not at.refusals
    entries = at.board.session("round/1")
    evidence = RoundEvidence(TERMS, EPOCH, entries, lambda a: a.data or blobs[a.digest])
    return {one.posted.post.sender: one for one in evidence.contributions}


def test_the_record_has_nothing_against_who_was_copied() -> None:
    found = judged()
    assert found[COPIER].proof
    assert not any(found[m].form or found[m].repetition or found[m].proof for m in HONEST)
