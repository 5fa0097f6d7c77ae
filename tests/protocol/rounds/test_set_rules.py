"""Proofs of plaintext in packed rounds, and the rules of a set from what is public alone."""

import msgspec
import pytest

from protocol.board.study import Study, StudyState
from protocol.errors import Refused
from protocol.messages.attachment import attach
from protocol.messages.rounds import Closing, Contribution, Contributor
from protocol.rounds.ciphertexts import Encrypted, write_ciphertexts
from protocol.rounds.set_rules import check_set
from protocol.rounds.view import RoundView
from protocol.terms.terms import Floors
from tests.protocol.rounds.test_refusals import refused
from tests.stage.rounds.toy_round import (
    EPOCH,
    KEY,
    SQUARE,
    TERMS,
    Round,
    contributed,
    numbers,
    statistic,
    training,
)
from tests.stage.toy import replace_terms

# ── whether a member knows what it encrypted ──


def test_a_contribution_without_a_proof_is_refused():
    found = contributed((1, 2))
    payload = write_ciphertexts(training(4), KEY.n)
    found.contribute_payload(4, attach(payload), blobs=(payload,))
    found.close()
    refused(found, "proof-of-plaintext", 4)


def test_a_multiple_of_anothers_ciphertexts_is_refused():
    """λ·m_2 is in no way equal to m_2, and its sender knows neither."""
    found = contributed((1, 2))
    own, theirs = found.proved(4, training(4)), training(2)
    for proof in (own.proof, found.proved(2, theirs).proof):
        copy = Encrypted(tuple(c**3 % SQUARE for c in theirs.values), proof)
        again = contributed((1, 2))
        again.contribute(4, copy)
        again.close()
        refused(again, "proof-of-plaintext", 4)


def test_a_proof_of_another_member_is_refused():
    found = contributed((1, 2))
    found.contribute(4, found.proved(4, training(4), prover=2))
    found.close()
    refused(found, "proof-of-plaintext", 4)


def test_a_proof_for_another_round_or_opening_is_refused():
    other = Round(session="study/cardio/2")
    other.open()
    reopened = Round()
    reopened.open(model=b"m" * 32)
    for elsewhere in (other, reopened):
        found = contributed((1, 2))
        found.contribute(4, elsewhere.proved(4, training(4)))
        found.close()
        refused(found, "proof-of-plaintext", 4)


def test_a_vector_in_a_round_of_packed_weights_is_unsaid():
    found = contributed((1, 2))
    opening = found.members[1].view.opening
    assert opening
    payload = write_ciphertexts(found.proved(4, training(4)), KEY.n)
    body = Contribution(opening.digest, attach(payload), (bytes(32),))
    found.publish(4, body, (payload,))
    assert set(found.members[1].view.contributions) == {1, 2}


# ── what is public suffices ──


def test_whoever_has_the_board_comes_to_the_same_sum_and_the_same_refusals():
    good, bad = contributed(), contributed((1, 2))
    bad.contribute(4, training(2))
    for found in (good, bad):
        found.close()
        view = RoundView(found.session)
        payloads = {}
        for posted in found.board.entries:
            view.receive(posted)
            if isinstance(posted.post.body, Contribution):
                payloads[posted.post.sender] = found.payloads(posted, 0)[0]
        if found is good:
            assert check_set(view, payloads, found.state, EPOCH) == found.members[1].check_set()
        else:
            with pytest.raises(Refused) as raised:
                check_set(view, payloads, found.state, EPOCH)
            assert (raised.value.rule, raised.value.member) == ("repeated-ciphertext", 4)
            assert raised.value.round_name == "cardio/1"


def with_low_floors(found: Round) -> StudyState:
    """The round's study under terms, and by a plan, that no check lets pass; the round is its."""
    terms = replace_terms(TERMS, floors=Floors(2, 2, 1))
    plan = msgspec.structs.replace(found.study.plan, least_contributors=2)
    state = StudyState(Study(terms, found.study.name, plan), 1, 1, 0)
    state.words |= found.state.words
    opened = found.opened
    body = msgspec.structs.replace(opened.post.body, plan=state.study.digest)
    post = msgspec.structs.replace(opened.post, body=body)
    found.view.opening = opened._replace(post=post)  # type: ignore[assignment]
    return state


@pytest.mark.parametrize("kind", ["training", "statistic"])
@pytest.mark.parametrize(("contributors", "is_refused"), [((1, 2), True), ((1, 2, 4), False)])
def test_no_terms_let_two_hospitals_alone_into_a_sum(kind, contributors, is_refused):
    """Each would read the other by subtracting itself; and nobody has checked these terms."""
    found = statistic(1) if kind == "statistic" else Round()
    found.open()
    for i in contributors:
        found.contribute(i, training(i) if kind == "training" else numbers(i, i))
    found.close()
    view = found.members[1].view
    payloads = {m: found.payloads(p, 0)[0] for m, p in view.contributions.items()}
    low = with_low_floors(found)
    if not is_refused:
        assert check_set(view, payloads, low, EPOCH)
        return
    with pytest.raises(Refused) as raised:
        check_set(view, payloads, low, EPOCH)
    assert raised.value.rule == "min-contributors"
    assert "the study asks for at least 3" in raised.value.reason


def test_a_round_that_was_closed_before_it_was_opened_is_refused():
    found = Round()
    found.publish(0, Closing((Contributor(1, bytes(32)),), attach(b"")))
    found.open()
    refused(found, "known-round")


def test_what_was_posted_before_the_opening_answers_none():
    """An aggregator could show a member its opening before it is on the board."""
    found = contributed((1, 2, 4))
    view = RoundView.of(found.session, found.board.entries)
    assert view.opening
    view.opening = view.opening._replace(position=view.contributions[2].position + 1)
    found.close()
    closing = found.members[1].view.closing
    assert closing
    view.receive(closing)
    payloads = {m: found.payloads(p, 0)[0] for m, p in view.contributions.items()}
    with pytest.raises(Refused) as raised:
        check_set(view, payloads, found.state, EPOCH)
    assert (raised.value.rule, raised.value.member) == ("contributors", 1)


def test_of_an_open_rounds_contributions_those_fit_that_can_be_in_a_sum():
    found = contributed((1, 2))
    found.contribute_payload(3, attach(b"junk"))
    found.contribute(4, training(4), opening=bytes(32))
    assert found.members[1].fitting == {1, 2}
    found.contribute(5, training(2))
    assert found.members[1].fitting == {1, 2}, "it repeats another's"


def test_what_does_not_fit_keeps_nobody_out_who_is_copied():
    found = contributed(())
    copy = found.proved(1, training(1))  # the proof is not that of member 2
    found.contribute_payload(2, attach(write_ciphertexts(copy, KEY.n)), blobs=())
    found.contribute(1, training(1))
    assert found.members[3].fitting == {1}
