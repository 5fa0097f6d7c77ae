"""Wrong partial decryptions, and what they do not spoil."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import pytest
from gmpy2 import mpz

from protocol.draft import Draft, Envelope
from protocol.encoding import encode, pack_numbers, width_of
from protocol.messages import (
    Partial,
    attach,
)
from tests.toy_round import (
    EPOCH,
    KEY,
    SQUARE,
    TERMS,
    TOY,
    Round,
    contributed,
)


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
@pytest.mark.parametrize("culprit", [1, 2, 3])
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
    assert set(found.members[1].view.partials) == {1, 2, 3, 4}
    assert found.members[5].plaintexts


@pytest.mark.parametrize("deceived", [{2, 3}, {3, 4, 5}, {5}])
def test_a_partial_that_is_wrong_for_some_alone_leaves_nobody_without_the_sum(deceived):
    found = contributed()
    found.close()
    wrong = partials_changed(found, 1, WRONG_PARTS[0])

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender != 1 or not isinstance(draft.body, Partial):
            return draft
        other = wrong(sender, draft)
        chosen = {i: other if i in deceived else draft for i in TOY.federation.members}
        attachments = [
            next(a for a in source.body.attachments if a.to == i)  # type: ignore[union-attr]
            for i, source in chosen.items()
        ]
        body = Partial(draft.body.chosen, tuple(attachments))
        return Draft(draft.session, body, (*draft.blobs, *other.blobs))

    found.settle(tamper=tamper)
    assert all(member.plaintexts for member in found.members.values())
    assert len({tuple(m.plaintexts or ()) for m in found.members.values()}) == 1


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
