"""The end of a round: what a hospital refuses to decrypt, and what it does decrypt exactly."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import phe
import pytest
from gmpy2 import mpz

from keyshare.encryption import Encryptor, randomiser_base
from keyshare.packing import pack
from keyshare.quantisation import average, quantise
from keyshare.randomness import Stream
from protocol.board import Posted
from protocol.ciphertexts import Encrypted, add_encrypted, packing_of, write_ciphertexts
from protocol.decryption import RoundMember
from protocol.draft import Draft, Envelope
from protocol.encoding import encode, pack_numbers, width_of
from protocol.errors import Refused
from protocol.messages import (
    Attachment,
    Ciphertexts,
    Closing,
    Contribution,
    Contributor,
    Opening,
    Partial,
    Refusal,
    SetLock,
    attach,
)
from protocol.round import RoundView, decode_statistic, decode_training
from tests.toy import Table, ToyEpoch, seed_of, toy_epoch

TOY = toy_epoch(5, 3)
KEY, TERMS, EPOCH = TOY.key, TOY.federation.terms, TOY.epoch
LENGTH = 40
SQUARE = KEY.n**2


class Ledger:
    """A release ledger in memory."""

    def __init__(self) -> None:
        self.released: dict[str, bytes] = {}

    def release(self, session: str, chosen: bytes) -> bool:
        return self.released.setdefault(session, chosen) == chosen


@lru_cache(maxsize=1)
def encryptor() -> Encryptor:
    return Encryptor(KEY.n, randomiser_base(KEY.n, b"round"))


def update_of(index: int) -> np.ndarray:
    """A hospital's update; some entries beyond the clip."""
    return np.sin(np.arange(LENGTH) * index) * index * 2


def examples_of(index: int) -> int:
    return 100 * index + 7


@lru_cache(maxsize=16)
def training(index: int, label: str = "round") -> Encrypted:
    """A hospital's update, quantised, packed and encrypted."""
    values = quantise(update_of(index), examples_of(index), TERMS.quantisation).values
    stream = Stream.derive(seed_of(label, index), "randomisers")
    return Encrypted(tuple(encryptor().encrypt(m, stream) for m in pack(values, packing_of(TERMS))))


@dataclass
class Round(Table):
    """A round at a table where all members listen."""

    session: str = "round/1"
    kind: str = "training"
    length: int = LENGTH
    toy: ToyEpoch = TOY
    members: dict[int, RoundMember] = field(default_factory=dict)
    ledgers: dict[int, Ledger] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.toy.federation)
        for i in self.toy.federation.members:
            self.ledgers[i] = Ledger()
            self.members[i] = self.member(i)

    def member(self, index: int) -> RoundMember:
        found = RoundMember(
            RoundView(self.session),
            self.toy.federation.terms,
            self.toy.epoch,
            self.toy.secrets[index],
        )
        found.consent = True
        return found

    def publish(self, sender: int, body: Any, blobs: tuple[bytes, ...] = ()) -> Posted:
        posted = self.say(sender, Draft(self.session, body, blobs))
        for i, member in self.members.items():
            member.receive(posted, self.payloads(posted, i))
        return posted

    def open(self, **changes: Any) -> Posted:
        fields = {"kind": self.kind, "epoch": EPOCH.digest, "model": bytes(32)}
        return self.publish(0, Opening(**(fields | {"length": self.length} | changes)))

    def contribute(self, sender: int, encrypted: Encrypted, opening: bytes | None = None) -> Posted:
        payload = write_ciphertexts(encrypted, KEY.n)
        return self.contribute_payload(sender, attach(payload), opening, (payload,))

    def contribute_payload(
        self,
        sender: int,
        attachment: Attachment,
        opening: bytes | None = None,
        blobs: tuple[bytes, ...] = (),
    ) -> Posted:
        view = self.members[1].view
        assert view.opening
        return self.publish(sender, Contribution(opening or view.opening.digest, attachment), blobs)

    def close(
        self,
        contributors: list[tuple[int, bytes]] | None = None,
        total: Encrypted | None = None,
    ) -> Posted:
        """The closing of an honest aggregator, with what is given put in its place."""
        contributions = self.members[1].view.contributions
        if contributors is None:
            contributors = [(i, contributions[i].digest) for i in sorted(contributions)]
        if total is None:
            known = [i for i, _ in contributors if i in contributions]
            total = add_encrypted([self.read(i) for i in known], KEY.n)
        payload = write_ciphertexts(total, KEY.n)
        chosen = tuple(Contributor(i, digest) for i, digest in contributors)
        return self.publish(0, Closing(chosen, attach(payload)), (payload,))

    def read(self, member: int) -> Encrypted:
        """A member's contribution, taken at its word."""
        payload = self.members[1]._contributions[member]
        found = msgspec.msgpack.decode(payload, type=Ciphertexts)
        width = width_of(SQUARE)
        numbers = [found.numbers[k : k + width] for k in range(0, len(found.numbers), width)]
        return Encrypted(tuple(mpz(int.from_bytes(d, "big")) for d in numbers), found.exponents)

    def due(self, index: int) -> Draft | None:
        return self.members[index].due(self.ledgers[index])

    def settle(
        self,
        who: tuple[int, ...] = (1, 2, 3, 4, 5),
        tamper: Callable[[int, Draft], Draft] = lambda sender, draft: draft,
    ) -> None:
        """Let members speak until none of them has anything to say."""
        spoke = True
        while spoke:
            spoke = False
            for i in who:
                if draft := self.due(i):
                    draft = tamper(i, draft)
                    self.publish(i, draft.body, draft.blobs)
                    spoke = True

    @property
    def refusals(self) -> set[tuple[str, int]]:
        """Rule and member of what each member refused."""
        found = self.members[1].view.refusals
        return {(refusal.rule, refusal.member) for refusal in found.values()}


def contributed(contributors: tuple[int, ...] = (1, 2, 4)) -> Round:
    """An open training round with honest contributions."""
    found = Round()
    found.open()
    for i in contributors:
        found.contribute(i, training(i))
    return found


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
    assert not any(ledger.released for ledger in found.ledgers.values())
    assert all(member.plaintexts is None for member in found.members.values())


# ── what is decrypted ──


@pytest.mark.parametrize("contributors", [(1, 2, 4), (2, 3, 4, 5), (1, 2, 3, 4, 5)])
def test_the_decrypted_average_is_that_of_the_plain_integers(contributors):
    found = contributed(contributors)
    found.close()
    found.settle()
    q = TERMS.quantisation
    plain = sum(quantise(update_of(i), examples_of(i), q).values for i in contributors)
    expected = average(plain, len(contributors), q)
    for member in found.members.values():
        assert member.plaintexts is not None
        result = decode_training(member.plaintexts, LENGTH, len(contributors), TERMS)
        assert result.tobytes() == expected.tobytes()
    weights = np.array([examples_of(i) for i in contributors], dtype=float)
    clipped = np.array([np.clip(update_of(i), -q.clip, q.clip) for i in contributors])
    exact = (weights[:, None] * clipped).sum(0) / weights.sum()
    assert np.abs(expected - exact).max() < 8 * q.clip / q.scale
    assert not found.refusals


def test_a_statistic_is_what_phe_itself_computes():
    public = phe.PaillierPublicKey(int(KEY.n))
    numbers = {1: [3, 0.5, -7], 3: [5, 1e-3, 7], 4: [0, 2.25, 10**6]}
    found = Round(session="statistic/age", kind="statistic", length=3)
    found.open()
    encrypted = {i: [public.encrypt(v) for v in row] for i, row in numbers.items()}
    for i, row in encrypted.items():
        ciphertexts = tuple(mpz(v.ciphertext()) for v in row)
        found.contribute(i, Encrypted(ciphertexts, tuple(v.exponent for v in row)))
    found.close()
    found.settle()
    for member in found.members.values():
        assert member.plaintexts is not None
        assert member.total is not None
        sums = decode_statistic(member.plaintexts, member.total.exponents, KEY.n)
        assert sums[0] == 8
        assert sums[1] == pytest.approx(2.751, abs=1e-12)
        assert sums[2] == 10**6
        totals = [a + b + c for a, b, c in zip(*encrypted.values(), strict=True)]
        assert list(member.total.exponents) == [total.exponent for total in totals]


@pytest.mark.parametrize("who", [(1, 2, 3, 4), (2, 3, 4, 5), (1, 3, 4, 5)])
def test_members_who_say_nothing_are_not_needed_and_learn_the_sum_as_well(who):
    found = contributed()
    found.close()
    found.settle(who)
    assert all(member.plaintexts for member in found.members.values())
    assert len({tuple(m.plaintexts or ()) for m in found.members.values()}) == 1


def test_a_member_restarted_at_any_entry_learns_the_same():
    found = contributed()
    found.close()
    found.settle()
    for stop in range(len(found.board.entries)):
        again = found.member(2)
        for posted in found.board.entries[:stop]:
            again.receive(posted, found.payloads(posted, 2))
        draft = again.due(Ledger())
        said = {type(p.post.body) for p in found.board.entries[:stop] if p.post.sender == 2}
        assert draft is None or type(draft.body) not in said - {Contribution}
        for posted in found.board.entries[stop:]:
            again.receive(posted, found.payloads(posted, 2))
        assert again.plaintexts == found.members[2].plaintexts


# ── locks and consent ──


def test_below_the_lock_threshold_nothing_is_released():
    found = contributed()
    found.close()
    found.settle((1, 2, 3))
    view = found.members[1].view
    assert len(view.locks) == 3 == TERMS.lock_threshold - 1
    assert not view.partials
    assert not any(ledger.released for ledger in found.ledgers.values())
    found.settle((1, 2, 3, 4))
    assert len(view.partials) >= EPOCH.quorum
    assert found.members[5].plaintexts


def test_locks_of_another_set_do_not_count():
    found = contributed()
    found.close()
    found.publish(4, SetLock(b"another set".ljust(32)))
    found.publish(5, SetLock(b"another set".ljust(32)))
    found.settle((1, 2, 3))
    assert len(found.members[1].view.locks) == 5
    assert not found.members[1].view.partials


def test_a_second_lock_of_a_member_does_not_count():
    found = contributed()
    found.close()
    found.publish(4, SetLock(b"another set".ljust(32)))
    found.settle((1, 2, 3))
    chosen = found.members[1].view.chosen(TERMS.federation)
    assert chosen is not None
    found.publish(4, SetLock(chosen))
    found.settle((1, 2, 3))
    assert not found.members[1].view.partials


def test_without_consent_nothing_is_said_and_yet_the_sum_is_learnt():
    found = contributed()
    found.members[5].consent = False
    found.close()
    found.settle()
    view = found.members[1].view
    assert 5 not in view.locks
    assert 5 not in view.partials
    assert found.members[5].plaintexts == found.members[1].plaintexts is not None


def test_nothing_is_due_before_the_closing():
    found = contributed()
    assert all(found.due(i) is None for i in found.members)


def test_a_quorum_less_one_of_partials_gives_nothing():
    found = contributed()
    found.close()
    locks = [(i, draft) for i in found.members if (draft := found.due(i))]
    for i, draft in locks:
        found.publish(i, draft.body)
    for i in (1, 2):
        draft = found.due(i)
        assert draft
        found.publish(i, draft.body, draft.blobs)
    assert all(member.plaintexts is None for member in found.members.values())
    draft = found.due(3)
    assert draft
    found.publish(3, draft.body, draft.blobs)
    assert all(member.plaintexts for member in found.members.values())


# ── one set in a round ──


def test_a_second_set_after_a_release_is_refused():
    """Another board, other contributors, the same hospital: its ledger remembers."""
    found = contributed()
    found.close()
    found.settle()
    second = contributed((1, 2, 3))
    second.ledgers = found.ledgers
    second.close()
    second.settle()
    assert second.refusals == {("one-set", 0)}
    helped = set(found.members[1].view.partials)
    assert len(helped) == EPOCH.quorum
    assert set(second.members[1].view.refusals) == helped
    assert not helped & set(second.members[1].view.partials)
    assert all(member.plaintexts is None for member in second.members.values())


def test_the_same_set_again_is_not_refused():
    found = contributed()
    found.close()
    released = {i: Ledger() for i in found.members}
    chosen = found.members[1].view.chosen(TERMS.federation)
    assert chosen is not None
    for ledger in released.values():
        ledger.released["round/1"] = chosen
    found.ledgers = released
    found.settle()
    assert not found.refusals
    assert found.members[1].plaintexts


def test_a_set_is_recorded_before_its_partial_is_made():
    found = contributed()
    found.close()
    found.settle((1, 2, 3))
    found.settle((4,))

    class Broken:
        def release(self, session: str, chosen: bytes) -> bool:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        found.members[1].due(Broken())
    assert 1 not in found.members[1].view.partials


def test_what_is_chosen_depends_on_federation_round_contributors_and_sum():
    def chosen(session: str, contributors: tuple[int, ...], label: str, federation: bytes) -> bytes:
        found = Round(session=session)
        found.open()
        for i in contributors:
            found.contribute(i, training(i, label))
        found.close()
        name = found.members[1].view.chosen(federation)
        assert name is not None
        return name

    mine = TERMS.federation
    names = [
        chosen("round/1", (1, 2, 4), "round", mine),
        chosen("round/2", (1, 2, 4), "round", mine),
        chosen("round/1", (1, 2, 3), "round", mine),
        chosen("round/1", (1, 2, 4), "other", mine),
        chosen("round/1", (1, 2, 4), "round", bytes(32)),
    ]
    assert len(set(names)) == len(names)
    assert chosen("round/1", (1, 2, 4), "round", mine) == names[0]


# ── every rule ──


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
    found = contributed((1, 2))
    total = add_encrypted([training(i) for i in (1, 2, 4)], KEY.n)
    digests = {i: posted.digest for i, posted in found.members[1].view.contributions.items()}
    late = found.sign("round/1", 4, Contribution(b"o" * 32, attach(b"")), sequence=0).digest
    found.close([(1, digests[1]), (2, digests[2]), (4, late)], total)
    found.contribute(4, training(4))
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
        lambda good: Encrypted(good.values, (0,) * len(good.values)),
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
    lambda e: Encrypted(e.values, (0,)),
    lambda e: Encrypted(e.values, (0,) * len(e.values)),
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


def test_a_contribution_addressed_to_one_member_is_refused_by_all():
    found = contributed((1, 2))
    payload = write_ciphertexts(training(4), KEY.n)
    found.contribute_payload(4, attach(payload, 3), blobs=(payload,))
    found.close(total=training(3))
    with pytest.raises(Refused) as raised:
        found.members[1].check_set()
    assert (raised.value.rule, raised.value.member) == ("valid-ciphertexts", 4)
    found.settle()
    assert found.refusals == {("valid-ciphertexts", 4)}
    assert set(found.members[1].view.refusals) == set(TOY.federation.members)


def statistic(exponents: dict[int, tuple[int, ...]]) -> Round:
    found = Round(session="statistic/age", kind="statistic", length=2)
    found.open()
    stream = Stream.derive(seed_of("statistic"), "randomisers")
    for i, spread in exponents.items():
        values = tuple(encryptor().encrypt(mpz(i), stream) for _ in range(2))
        found.contribute(i, Encrypted(values, spread))
    return found


@pytest.mark.parametrize("exponents", [(0,), (), (0, 0, 0), (0, 513), (-513, 0)])
def test_exponents_that_are_none_are_refused(exponents):
    found = statistic({1: (0, 0), 2: (0, 0), 4: exponents})
    found.close(total=Encrypted(training(3).values[:2], (0, 0)))
    with pytest.raises(Refused) as raised:
        found.members[1].check_set()
    assert (raised.value.rule, raised.value.member) == ("valid-ciphertexts", 4)
    assert raised.value.round_name == "age"


def test_exponents_too_far_apart_are_refused():
    found = statistic({1: (0, 0), 2: (0, 0), 4: (0, 300)})
    found.close(total=Encrypted(training(3).values[:2], (0, 0)))
    with pytest.raises(Refused) as raised:
        found.members[1].check_set()
    assert (raised.value.rule, raised.value.member) == ("valid-ciphertexts", 0)


def test_a_refusal_is_said_once():
    found = contributed((3,))
    found.close()
    found.settle()
    found.settle()
    said = [p for p in found.board.entries if isinstance(p.post.body, Refusal)]
    assert len(said) == len(found.members)


# ── wrong partial decryptions ──


def partials_changed(
    found: Round, culprit: int, change: Callable[[list[mpz]], list[mpz]]
) -> Callable[[int, Draft], Draft]:
    """Seals other partial decryptions for everyone in one member's name."""

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender != culprit or not isinstance(draft.body, Partial):
            return draft
        total = found.members[sender].total
        assert total is not None
        parts = [pow(c, 2 * KEY.delta * TOY.shares[sender].value, SQUARE) for c in total.values]
        payload = pack_numbers(change(parts), width_of(SQUARE))
        keys = dict(enumerate(EPOCH.sealing_keys, start=1))
        envelope = Envelope(TERMS.federation, found.session, sender, keys)
        attachments, blobs = envelope.seal_all(dict.fromkeys(keys, payload), "partial")
        body = Partial(draft.body.chosen, tuple(attachments))
        return Draft(found.session, body, tuple(blobs))

    return tamper


WRONG_PARTS: list[Callable[[list[mpz]], list[mpz]]] = [
    lambda parts: [part * 2 % SQUARE for part in parts],
    lambda parts: [*parts[:-1], parts[-1] * 2 % SQUARE],
    lambda parts: parts[:-1],
    lambda parts: [*parts, mpz(1)],
    lambda parts: [],
    lambda parts: [mpz(0) for _ in parts],
    lambda parts: [KEY.n for _ in parts],
    lambda parts: [mpz(1) for _ in parts],
]


@pytest.mark.parametrize("change", WRONG_PARTS)
@pytest.mark.parametrize("culprit", [1, 3])
def test_the_sum_is_combined_from_the_others_when_one_partial_is_wrong(change, culprit):
    found = contributed()
    found.close()
    found.settle(tamper=partials_changed(found, culprit, change))
    expected = contributed()
    expected.close()
    expected.settle()
    for member in found.members.values():
        assert member.plaintexts == expected.members[1].plaintexts is not None


def test_the_changed_partials_above_are_wrong_by_their_change_alone():
    found = contributed()
    found.close()
    found.settle((1, 2, 3, 4), tamper=partials_changed(found, 1, lambda parts: parts))
    assert set(found.members[1].view.partials) == {1, 2, 3}
    assert found.members[5].plaintexts


@pytest.mark.parametrize("bad", [{1, 2}, {2, 5}])
def test_two_wrong_partials_of_five_leave_a_quorum(bad):
    found = contributed()
    found.close()

    def tamper(sender: int, draft: Draft) -> Draft:
        return (
            partials_changed(found, sender, WRONG_PARTS[0])(sender, draft)
            if (sender in bad)
            else draft
        )

    found.settle(tamper=tamper)
    expected = contributed()
    expected.close()
    expected.settle()
    assert found.members[3].plaintexts == expected.members[3].plaintexts is not None


def sent_partial(change: Callable[[Partial], Partial]) -> Round:
    """A round in which member 1's partial is changed outside its seal."""
    found = contributed()
    found.close()

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender != 1 or not isinstance(draft.body, Partial):
            return draft
        return Draft(draft.session, change(draft.body), draft.blobs)

    found.settle(tamper=tamper)
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda p: msgspec.structs.replace(p, chosen=bytes(32)),
        lambda p: msgspec.structs.replace(p, attachments=()),
        lambda p: msgspec.structs.replace(
            p,
            attachments=tuple(
                attach(a.data[:-1] + bytes([a.data[-1] ^ 1]), a.to) for a in p.attachments
            ),
        ),
        lambda p: msgspec.structs.replace(
            p,
            attachments=tuple(
                attach(a.data, b.to)
                for a, b in itertools.pairwise((*p.attachments, p.attachments[0]))
            ),
        ),
    ],
)
def test_a_partial_for_another_set_or_under_a_broken_seal_is_left_out_and_named(change):
    found = sent_partial(change)
    assert all(member.wrong_partials == [1] for member in found.members.values())
    assert all(member.plaintexts for member in found.members.values())


def test_partials_are_sealed_to_the_members_alone():
    """The aggregator sees no partial decryption in what is posted."""
    found = contributed()
    found.close()
    found.settle()
    said = b"".join(encode(e) for e in found.entries) + b"".join(found.blobs.values())
    total = found.members[1].total
    assert total is not None
    for share in TOY.shares.values():
        for value in total.values:
            part = pow(value, 2 * KEY.delta * share.value, SQUARE)
            assert pack_numbers([part], width_of(SQUARE)) not in said


def test_a_member_of_a_round_shows_no_secret():
    found = contributed()
    found.close()
    found.settle()
    member = found.members[1]
    shown = "".join(
        repr(value)
        for value in (member, *vars(member).values())
        if (not isinstance(value, list | dict))
    )
    assert str(TOY.shares[1].value) not in shown
    assert repr(TOY.secrets[1].sealing_seed)[2:-1] not in shown
