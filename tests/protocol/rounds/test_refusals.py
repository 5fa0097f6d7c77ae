"""Every rule by which a hospital refuses to decrypt."""

from collections.abc import Callable
from typing import Any

import pytest
from gmpy2 import mpz

from protocol.errors import BadEntry, Refused
from protocol.messages.attachment import attach
from protocol.messages.rounds import Closing, Contribution, Contributor, Refusal
from protocol.rounds.ciphertexts import Encrypted, add_encrypted, write_ciphertexts
from tests.stage.rounds.toy_round import (
    KEY,
    LENGTH,
    SQUARE,
    TOY,
    Round,
    closed,
    contributed,
    numbers,
    statistic,
    training,
)


def refused(found: Round, rule: str, member: int = 0) -> None:
    """Every member refuses for this rule; nothing is locked, released or learnt."""
    with pytest.raises(Refused) as raised:
        found.members[1].check_set()
    assert (raised.value.rule, raised.value.member) == (rule, member)
    assert raised.value.round_name == found.session.removeprefix("study/")
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


@pytest.mark.parametrize(
    ("field", "rule"), [({"epoch": b"e" * 32}, "known-round"), ({"suite": "hybrid-s2"}, "suite")]
)
def test_training_under_another_key_or_suite_is_refused(field, rule):
    found = Round()
    found.open(**field)
    for i in (1, 2, 4):
        found.contribute(i, training(i))
    found.close()
    refused(found, rule)


# Who had contributed, whom the closing names, and the refusal that it gets.
NAMED: dict[str, tuple[tuple[int, ...], list[Any], str, int]] = {
    "a member twice": ((1, 2, 4), [1, 1, 2, 4], "contributors", 0),
    "one as often as the minimum": ((2,), [2, 2, 2], "contributors", 0),
    "out of order": ((1, 2, 4), [2, 1, 4], "contributors", 0),
    "one alone of many": ((1, 2, 3, 4), [3], "min-contributors", 0),
    "one without a contribution": ((1, 2, 4), [1, 2, 4, (5, bytes(32))], "contributors", 5),
    "the aggregator": ((1, 2, 4), [(0, bytes(32)), 1, 2, 4], "contributors", 0),
}


@pytest.mark.parametrize(("given", "named", "rule", "member"), NAMED.values(), ids=NAMED)
def test_a_closing_that_names_others_than_contributed_is_refused(given, named, rule, member):
    found = contributed(given)
    found.close(named)
    refused(found, rule, member)


@pytest.mark.parametrize("contributors", [(3,), (3, 5)])
def test_a_sum_of_too_few_is_refused(contributors):
    found = closed(contributors)
    refused(found, "min-contributors")
    (reason,) = {r.reason for r in found.members[1].view.refusals.values()}
    assert all(f"H{i}" in reason for i in contributors)


def test_a_sum_of_nobody_is_refused():
    found = contributed(())
    found.close([], Encrypted((mpz(1),)))
    refused(found, "min-contributors")


def test_a_contribution_named_by_another_digest_is_refused():
    found = contributed()
    found.close([1, (2, found.view.contributions[4].digest), 4])
    refused(found, "contributors", 2)


def test_a_second_contribution_of_a_member_does_not_count():
    found = contributed()
    second = found.contribute(4, training(4, "second thoughts"))
    assert found.view.contributions[4].digest != second.digest
    found.close([1, 2, (4, second.digest)])
    refused(found, "contributors", 4)


def test_a_contribution_after_the_closing_does_not_count():
    """Even one that was signed before, and that the closing names."""
    found = contributed((1, 2))
    payload = attach(write_ciphertexts(training(4), KEY.n))
    late = found.sign(found.session, 4, Contribution(found.opened.digest, payload))
    total = add_encrypted([training(i) for i in (1, 2, 4)], KEY.n)
    found.close([1, 2, (4, late.digest)], total)
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


COPIES: dict[str, Callable[[], tuple[mpz, ...]]] = {
    "all of another's": lambda: training(2).values,
    "one of another's": lambda: (*training(4).values[:-1], training(1).values[0]),
    "one of its own": lambda: (training(4).values[0],) * len(training(4).values),
}


@pytest.mark.parametrize("values", COPIES.values(), ids=COPIES)
def test_a_ciphertext_that_occurs_twice_is_refused(values):
    """Hospital 4 sends hospital 2's update once more, to have it counted twice."""
    found = contributed((1, 2))
    found.contribute(4, Encrypted(values()))
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


@pytest.mark.parametrize("proof", ["none", "of another member", "of another round"])
def test_a_statistic_takes_no_number_that_is_not_proved(proof):
    found = statistic()
    found.open()
    for i in (1, 2):
        found.contribute(i, numbers(i, 10 + i, 20 + i))
    given = numbers(4, 14, 24)
    if proof == "none":
        found.contribute_payload(4, attach(write_ciphertexts(given, KEY.n)))
    elif proof == "of another member":
        found.contribute(4, found.proved(4, given, prover=3))
    else:
        other = statistic(name="weight")
        other.open()
        found.contribute(4, other.proved(4, given))
    found.close()
    refused(found, "proof-of-plaintext", 4)


# What an opening says that is not its plan's.
OPENED: dict[str, dict[str, Any]] = {
    "another length": {"length": 3},
    "a model": {"model": b"m" * 32},
    "a clip": {"clip": 1.0},
    "a number of examples": {"max_examples": 1},
    "a suite": {"suite": "hybrid"},
}


@pytest.mark.parametrize("changes", OPENED.values(), ids=OPENED)
def test_a_statistic_opens_only_as_its_plan_says(changes):
    found = statistic()
    found.open(**changes)
    for i in (1, 2, 4):
        found.contribute(i, numbers(i, 1, 2))
    found.close()
    refused(found, "statistic")


@pytest.mark.parametrize("kind", ["training", "statistic"])
def test_a_round_that_was_opened_for_another_plan_is_refused(kind):
    found = Round() if kind == "training" else statistic()
    found.open(plan=b"p" * 32)
    for i in (1, 2, 4):
        found.contribute(i, training(i) if kind == "training" else numbers(i, 1, 2))
    found.close()
    refused(found, "plan")


def test_a_refusal_is_said_once():
    found = closed((3,))
    found.settle()
    found.settle()
    said = [p for p in found.board.entries if isinstance(p.post.body, Refusal)]
    assert len(said) == len(found.members)
