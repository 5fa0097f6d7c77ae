"""Every rule by which a hospital refuses to decrypt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from gmpy2 import mpz

from protocol.board.messages import (
    Closing,
    Contribution,
    Contributor,
    Opening,
    Refusal,
    Request,
    attach,
)
from protocol.errors import BadEntry, Refused
from protocol.rounds.ciphertexts import Encrypted, add_encrypted, write_ciphertexts
from protocol.rounds.statistic import labels_digest
from tests.stage.rounds.toy_round import (
    EPOCH,
    KEY,
    LENGTH,
    SQUARE,
    TOY,
    Round,
    contributed,
    numbers,
    training,
)


def refused(found: Round, rule: str, member: int = 0) -> None:
    """Every member refuses for this rule; nothing is locked, released or learnt."""
    with pytest.raises(Refused) as raised:
        found.members[1].check_set()
    assert (raised.value.rule, raised.value.member) == (rule, member)
    assert raised.value.round_name == "1"
    found.settle()
    view = found.members[1].view
    assert set(view.refusals) == set(TOY.federation.members)
    assert found.refusals == {(rule, member)}
    assert not view.locks
    assert not view.partials
    assert not any(ledger.chosen for ledger in found.ledgers.values())
    assert all(member.plaintexts is None for member in found.members.values())


def test_a_round_that_was_not_opened_is_refused():
    found = Round()
    payload = attach(b"")
    found.publish(0, Closing((Contributor(1, bytes(32)),), payload))
    refused(found, "known-round")


def test_a_round_under_another_key_is_refused():
    found = Round()
    found.open(epoch=b"e" * 32)
    for i in (1, 2, 4):
        found.contribute(i, training(i))
    found.close()
    refused(found, "known-round")


def test_a_member_counted_twice_is_refused():
    found = contributed()
    digests = {i: posted.digest for i, posted in found.members[1].view.contributions.items()}
    doubled = add_encrypted([training(i) for i in (1, 1, 2, 4)], KEY.n)
    found.close([(i, digests[i]) for i in (1, 1, 2, 4)], doubled)
    refused(found, "contributors")


def test_one_members_update_repeated_to_the_minimum_is_refused():
    found = contributed((2,))
    (digest,) = (p.digest for p in found.members[1].view.contributions.values())
    found.close([(2, digest)] * 3, add_encrypted([training(2)] * 3, KEY.n))
    refused(found, "contributors")


def test_contributors_out_of_order_are_refused():
    found = contributed()
    digests = {i: posted.digest for i, posted in found.members[1].view.contributions.items()}
    found.close([(i, digests[i]) for i in (2, 1, 4)])
    refused(found, "contributors")


@pytest.mark.parametrize("contributors", [(3,), (3, 5)])
def test_a_sum_of_too_few_is_refused(contributors):
    found = contributed(contributors)
    found.close()
    refused(found, "min-contributors")
    (reason,) = {r.reason for r in found.members[1].view.refusals.values()}
    assert all(f"H{i}" in reason for i in contributors)


def test_a_sum_of_nobody_is_refused():
    found = contributed(())
    found.close([], Encrypted((mpz(1),)))
    refused(found, "min-contributors")


def test_one_hospitals_update_alone_is_refused_though_others_contributed():
    found = contributed((1, 2, 3, 4))
    digest = found.members[1].view.contributions[3].digest
    found.close([(3, digest)])
    refused(found, "min-contributors")


def test_a_contributor_who_did_not_contribute_is_refused():
    found = contributed((1, 2, 4))
    digests = {i: posted.digest for i, posted in found.members[1].view.contributions.items()}
    found.close([*((i, digests[i]) for i in (1, 2, 4)), (5, bytes(32))])
    refused(found, "contributors", 5)


def test_the_aggregator_is_no_contributor():
    found = contributed((1, 2, 4))
    digests = {i: posted.digest for i, posted in found.members[1].view.contributions.items()}
    found.close([(0, bytes(32)), *((i, digests[i]) for i in (1, 2, 4))])
    refused(found, "contributors", 0)


def test_a_contribution_named_by_another_digest_is_refused():
    found = contributed()
    digests = {i: posted.digest for i, posted in found.members[1].view.contributions.items()}
    found.close([(1, digests[1]), (2, digests[4]), (4, digests[4])])
    refused(found, "contributors", 2)


def test_a_second_contribution_of_a_member_does_not_count():
    found = contributed()
    second = found.contribute(4, training(4, "second thoughts"))
    digests = {i: posted.digest for i, posted in found.members[1].view.contributions.items()}
    assert digests[4] != second.digest
    found.close([(1, digests[1]), (2, digests[2]), (4, second.digest)])
    refused(found, "contributors", 4)


def test_a_contribution_after_the_closing_does_not_count():
    """Even one that was signed before, and that the closing names."""
    found = contributed((1, 2))
    opening, payload = found.members[1].view.opening, write_ciphertexts(training(4), KEY.n)
    assert opening
    late = found.sign("round/1", 4, Contribution(opening.digest, attach(payload)))
    digests = {i: posted.digest for i, posted in found.members[1].view.contributions.items()}
    total = add_encrypted([training(i) for i in (1, 2, 4)], KEY.n)
    found.close([(1, digests[1]), (2, digests[2]), (4, late.digest)], total)
    posted = found.put(late)
    for i, member in found.members.items():
        member.receive(posted, found.payloads(posted, i))
    refused(found, "contributors", 4)


def test_a_contribution_to_another_opening_is_refused():
    found = contributed((1, 2))
    found.contribute(4, training(4), opening=b"o" * 32)
    found.close()
    refused(found, "contributors", 4)


def test_only_the_first_opening_and_the_first_closing_count():
    found = contributed()
    first = found.members[1].view.opening
    found.open(length=LENGTH + 1)
    found.close()
    kept = found.members[1].view.closing
    found.close([], Encrypted((mpz(1),)))
    assert found.members[1].view.opening is first
    assert found.members[1].view.closing is kept
    found.settle()
    assert found.members[1].plaintexts


@pytest.mark.parametrize(
    "total",
    [
        lambda good: Encrypted(training(3).values),
        lambda good: Encrypted((*good.values[:-1], good.values[-1] * 2 % SQUARE)),
        lambda good: Encrypted(good.values[:-1]),
        lambda good: Encrypted((*good.values, mpz(1))),
        lambda good: Encrypted(good.values[::-1]),
        lambda good: Encrypted((good.values[0] * (1 + KEY.n) % SQUARE, *good.values[1:])),
    ],
)
def test_a_sum_that_is_not_that_of_the_contributions_is_refused(total):
    found = contributed()
    good = add_encrypted([training(i) for i in (1, 2, 4)], KEY.n)
    found.close(total=total(good))
    refused(found, "recomputed-sum")


def test_a_copied_contribution_is_refused():
    """Hospital 4 sends hospital 2's update once more, to have it counted twice."""
    found = contributed((1, 2))
    found.contribute(4, training(2))
    found.close()
    refused(found, "repeated-ciphertext", 4)


def test_a_single_copied_ciphertext_is_refused():
    found = contributed((1, 2))
    found.contribute(4, Encrypted((*training(4).values[:-1], training(1).values[0])))
    found.close()
    refused(found, "repeated-ciphertext", 4)


def test_a_ciphertext_twice_in_one_contribution_is_refused():
    found = contributed((1, 2))
    found.contribute(4, Encrypted((training(4).values[0],) * len(training(4).values)))
    found.close()
    refused(found, "repeated-ciphertext", 4)


BAD_VALUES: list[Callable[[Encrypted], Encrypted]] = [
    lambda e: Encrypted(e.values[:-1]),
    lambda e: Encrypted((*e.values, mpz(5))),
    lambda e: Encrypted(()),
    lambda e: Encrypted((mpz(0), *e.values[1:])),
    lambda e: Encrypted((KEY.n, *e.values[1:])),
    lambda e: Encrypted((7 * KEY.n, *e.values[1:])),
    lambda e: Encrypted((SQUARE, *e.values[1:])),
    lambda e: Encrypted((SQUARE + 1, *e.values[1:])),
]


@pytest.mark.parametrize("change", BAD_VALUES)
def test_ciphertexts_that_are_none_are_refused(change):
    found = contributed((1, 2))
    found.contribute(4, change(training(4)))
    found.close(total=training(3))
    refused(found, "valid-ciphertexts", 4)


@pytest.mark.parametrize(
    "change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b"", lambda d: b"\xff" + d[1:]]
)
def test_a_damaged_payload_is_refused(change):
    found = contributed((1, 2))
    payload = change(write_ciphertexts(training(4), KEY.n))
    found.contribute_payload(4, attach(payload), blobs=(payload,))
    found.close(total=training(3))
    refused(found, "valid-ciphertexts", 4)


def test_a_contribution_addressed_to_one_member_never_reaches_the_board():
    # The aggregator could add it, and all others would have to refuse the sum.
    found = contributed((1, 2))
    payload = write_ciphertexts(training(4), KEY.n)
    with pytest.raises(BadEntry) as raised:
        found.contribute_payload(4, attach(payload, 3), blobs=(payload,))
    assert raised.value.sender == 4


def test_a_contribution_that_answers_no_opening_is_not_kept_in_memory():
    found = contributed((1, 2))
    found.contribute(4, training(4), opening=b"x" * 32)
    assert set(found.members[3]._contributions) == {1, 2}


def statistic(**changes: Any) -> Round:
    found = Round(session="statistic/age", length=2)
    found.open(**changes)
    return found


def refuses(found: Round, rule: str, member: int) -> None:
    """Every member refuses the round's set by the rule."""
    for asked in found.members.values():
        with pytest.raises(Refused) as raised:
            asked.check_set()
        assert (raised.value.rule, raised.value.member) == (rule, member)


@pytest.mark.parametrize("proof", ["none", "of another member", "of another round"])
def test_a_statistic_takes_no_number_that_is_not_proved(proof):
    found = statistic()
    for i in (1, 2):
        found.contribute(i, numbers(i, 10 + i, 20 + i))
    given = numbers(4, 14, 24)
    if proof == "none":
        found.contribute_payload(4, attach(write_ciphertexts(given, KEY.n)))
    elif proof == "of another member":
        found.contribute(4, found.proved(4, given, prover=3))
    else:
        other = Round(session="statistic/weight", length=2)
        other.open()
        found.contribute(4, other.proved(4, given))
    found.close()
    refuses(found, "proof-of-plaintext", 4)


def test_a_statistic_opens_only_as_a_member_had_asked_for_it():
    for changes in ({"length": 3}, {"decimals": 1}, {"labels": b"l" * 32}, {"model": b"m" * 32},
                    {"clip": 1.0}):  # fmt: skip
        found = Round(session="statistic/age", length=2)
        found.publish(1, Request(2, 2, ("men", "women")))
        asked = {"decimals": 2, "labels": labels_digest(("men", "women"))}
        found.publish(0, Opening(**(opened_statistic() | asked | changes)))
        for i in (1, 2, 4):
            found.contribute(i, numbers(i, *range(changes.get("length", 2))))  # type: ignore[arg-type]
        found.close()
        refuses(found, "request", 0)


def opened_statistic() -> dict[str, Any]:
    return {"kind": "statistic", "epoch": EPOCH.digest, "model": bytes(32), "length": 2}


@pytest.mark.parametrize("request_comes", ["never", "late"])
def test_a_statistic_that_nobody_had_asked_for_is_refused(request_comes):
    found = Round(session="statistic/age", length=2)
    found.publish(0, Opening(**opened_statistic()))
    if request_comes == "late":
        found.publish(1, Request(2))
    for i in (1, 2, 4):
        found.contribute(i, numbers(i, 1, 2))
    found.close()
    refuses(found, "request", 0)


@pytest.mark.parametrize("labels", [("men",), ("men", "men"), ("men", "women", "all")])
def test_labels_that_are_not_one_for_each_number_ask_for_nothing(labels):
    found = Round(session="statistic/age", length=2)
    found.publish(1, Request(2, 0, labels))
    found.publish(0, Opening(**opened_statistic(), labels=labels_digest(labels)))
    for i in (1, 2, 4):
        found.contribute(i, numbers(i, 1, 2))
    found.close()
    refuses(found, "request", 0)


@pytest.mark.parametrize("field", [{"decimals": 1}, {"labels": b"l" * 32}])
def test_training_has_neither_decimals_nor_labels(field):
    found = Round()
    found.open(**field)
    for i in (1, 2, 4):
        found.contribute(i, training(i))
    found.close()
    refuses(found, "request", 0)


@pytest.mark.parametrize(
    ("session", "kind"), [("round/1", "statistic"), ("statistic/a", "training")]
)
def test_a_session_opens_only_what_its_name_says(session, kind):
    """The board takes no such opening; a hospital that were shown one would not help either."""
    with pytest.raises(BadEntry):
        Round(session=session).publish(0, Opening(kind, EPOCH.digest, bytes(32), 2))
    found = contributed() if kind == "statistic" else statistic()
    if kind == "training":
        for i in (1, 2, 4):
            found.contribute(i, numbers(i, 1, 2))
    found.close()
    member = found.members[1]
    post = member.view.opening.post
    turned = msgspec.structs.replace(post.body, kind=kind)
    member.view.opening = member.view.opening._replace(
        post=msgspec.structs.replace(post, body=turned)
    )
    with pytest.raises(Refused) as raised:
        member.check_set()
    assert (raised.value.rule, raised.value.member) == ("known-round", 0)


def test_a_refusal_is_said_once():
    found = contributed((3,))
    found.close()
    found.settle()
    found.settle()
    said = [p for p in found.board.entries if isinstance(p.post.body, Refusal)]
    assert len(said) == len(found.members)
