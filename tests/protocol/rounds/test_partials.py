"""Wrong partial decryptions, who is named for them, and what they do not spoil."""

from functools import lru_cache

import msgspec
import pytest
from gmpy2 import mpz

from keyshare.errors import BadCombination
from protocol.encoding import encode, pack_numbers, width_of
from protocol.errors import Uncombinable
from protocol.messages.attachment import attach
from protocol.messages.rounds import Complaint, Partial, SetLock
from protocol.rounds import decryption
from protocol.rounds.view import RoundView
from tests.stage.rounds.toy_round import KEY, SQUARE, TERMS, TOY, Ledger, Round, closed, contributed
from tests.stage.rounds.wrong_part import Liar, Numbers, all_of, complaints, numbers_of


@lru_cache(maxsize=1)
def right_sum() -> tuple[mpz, ...]:
    found = closed()
    found.settle()
    assert found.members[1].plaintexts
    return tuple(found.members[1].plaintexts)


def assert_all_know_the_sum(found: Round) -> None:
    for member in found.members.values():
        assert tuple(member.plaintexts or ()) == right_sum()


WRONG_NUMBERS: list[Numbers] = [
    lambda parts: [part * 2 % SQUARE for part in parts],
    lambda parts: [*parts[:-1], parts[-1] * 2 % SQUARE],
    lambda parts: parts[:-1],
    lambda parts: [*parts, mpz(1)],
    lambda parts: [],
    lambda parts: [mpz(0) for _ in parts],
    lambda parts: [KEY.n for _ in parts],
    lambda parts: [mpz(1) for _ in parts],
    lambda parts: parts[::-1],
]


@pytest.mark.parametrize("numbers", WRONG_NUMBERS)
@pytest.mark.parametrize("culprit", [1, 3])
def test_a_wrong_partial_is_left_out_and_its_sender_named_with_evidence(numbers, culprit):
    found = closed()
    found.settle(tamper=Liar(found, culprit, numbers))
    assert_all_know_the_sum(found)
    assert all(m.wrong_partials == [culprit] for m in found.members.values())
    (said,) = complaints(found)
    assert (said.about, said.verdict) == (culprit, "proven")


@pytest.mark.parametrize(
    "payload",
    [
        lambda data: data[:-1],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: b"",
        lambda data: bytes(5_000),
    ],
)
def test_a_payload_that_does_not_open_under_the_committed_key_is_evidence(payload):
    found = closed()
    found.settle(tamper=Liar(found, 2, payload=payload))
    assert_all_know_the_sum(found)
    assert [(c.about, c.verdict) for c in complaints(found)] == [(2, "proven")]


def test_a_proof_in_another_spelling_is_evidence():
    def respelt(locked, parts):
        response = b"\0" + parts.proof.response
        return msgspec.structs.replace(
            parts, proof=msgspec.structs.replace(parts.proof, response=response)
        )

    found = closed()
    found.settle(tamper=Liar(found, 2, parts=respelt))
    assert [(c.about, c.verdict) for c in complaints(found)] == [(2, "proven")]


def test_the_changed_partials_above_are_wrong_by_their_change_alone():
    found = closed()
    found.settle((1, 2, 3, 4), tamper=Liar(found, 1))
    assert_all_know_the_sum(found)
    assert not complaints(found)
    assert all(not member.wrong_partials for member in found.members.values())


@pytest.mark.parametrize("bad", [(1, 2), (2, 5)])
def test_two_wrong_partials_of_five_leave_a_quorum_and_both_are_named(bad):
    found = closed()
    found.settle(tamper=all_of(*(Liar(found, i, WRONG_NUMBERS[0]) for i in bad)))
    assert_all_know_the_sum(found)
    assert {(c.about, c.verdict) for c in complaints(found, 3)} == {(i, "proven") for i in bad}


def test_one_combination_is_enough(monkeypatch):
    tried = []
    real = decryption.combine
    monkeypatch.setattr(
        decryption, "combine", lambda parts, key: tried.append(1) or real(parts, key)
    )
    found = closed()
    found.settle(tamper=Liar(found, 1, WRONG_NUMBERS[0]))
    count = len(right_sum())
    assert len(tried) == count * len(found.members)


def test_verified_parts_that_give_no_sum_are_an_error_that_names_the_round(monkeypatch):
    def impossible(parts, key):
        raise BadCombination(sorted(parts))

    monkeypatch.setattr(decryption, "combine", impossible)
    with pytest.raises(Uncombinable) as raised:
        closed().settle()
    assert (raised.value.round_name, raised.value.members) == ("cardio/1", [1, 2, 3])


# ── what only some find wrong ──


@pytest.mark.parametrize("deceived", [{2, 3}, {3, 4, 5}, {5}])
def test_a_key_that_is_wrong_for_some_alone_leaves_nobody_without_the_sum(deceived):
    found = closed()
    found.settle(tamper=Liar(found, 1, sealed=dict.fromkeys(deceived, b"another key".ljust(32))))
    assert_all_know_the_sum(found)
    for i, member in found.members.items():
        assert member.wrong_partials == ([1] if i in deceived else [])
    said = complaints(found)
    assert {(c.by, c.about, c.verdict) for c in said} == {(i, 1, "unproven") for i in deceived}


@pytest.mark.parametrize("key", [b"", b"short", bytes(33)])
def test_a_sealed_key_of_another_length_is_no_key(key):
    found = closed()
    found.settle(tamper=Liar(found, 1, sealed={2: key}))
    assert found.members[2].wrong_partials == [1]
    assert [(c.by, c.verdict) for c in complaints(found)] == [(2, "unproven")]


@pytest.mark.parametrize("key", [b"short", bytes(33)])
def test_a_key_that_no_complaint_could_show_is_none_though_it_was_committed_to(key):
    """Else whoever finds the part wrong would make a post that the board refuses."""
    found = closed()
    found.settle(tamper=Liar(found, 1, WRONG_NUMBERS[0], key=key))
    assert_all_know_the_sum(found)
    assert {(c.by, c.verdict) for c in complaints(found)} == {(i, "unproven") for i in (2, 3, 4, 5)}


@pytest.mark.parametrize(
    "change",
    [
        lambda a: attach(a.data[:-1] + bytes([a.data[-1] ^ 1]), a.to),
        lambda a: attach(a.data, a.to % 5 + 1),
    ],
)
def test_a_seal_that_does_not_open_is_complained_of_without_evidence(change):
    def broken(body: Partial) -> Partial:
        public, *sealed = body.attachments
        return msgspec.structs.replace(body, attachments=(public, *map(change, sealed)))

    found = closed()
    found.settle(tamper=Liar(found, 1, change=broken))
    assert_all_know_the_sum(found)
    assert {(c.by, c.verdict) for c in complaints(found)} == {(i, "unproven") for i in (2, 3, 4, 5)}


def test_a_partial_for_another_set_is_shown_by_the_board_itself():
    found = closed()
    other = lambda body: msgspec.structs.replace(body, chosen=bytes(32))  # noqa: E731
    found.settle(tamper=Liar(found, 1, change=other))
    assert_all_know_the_sum(found)
    assert all(member.wrong_partials == [1] for member in found.members.values())
    assert [(c.about, c.verdict) for c in complaints(found)] == [(1, "proven")]


# ── when and how often it is said ──


def test_a_complaint_is_said_once_and_not_repeated_by_others():
    found = closed()
    found.settle(tamper=Liar(found, 1, WRONG_NUMBERS[0]))
    found.settle()
    said = [p for p in found.board.entries if isinstance(p.post.body, Complaint)]
    assert len(said) == 1


@pytest.mark.parametrize("key", [b"", bytes(32)])
def test_an_empty_or_false_complaint_keeps_nobody_from_a_proven_one(key):
    found = closed()
    liar = Liar(found, 1, WRONG_NUMBERS[0])
    settled = {i: found.members[i] for i in (1, 2, 3, 4)}
    while not found.members[4].view.partials.get(1):
        for i in settled:
            if draft := found.due(i):
                draft = liar(i, draft)
                found.publish(i, draft.body, draft.blobs)
                if isinstance(draft.body, Partial):
                    break
    chosen = found.chosen
    found.publish(5, Complaint(chosen, 1, key))
    found.settle((2, 3, 4))
    assert "proven" in {c.verdict for c in complaints(found)}


def test_a_complaint_of_a_part_that_has_not_come_is_false():
    found = closed()
    found.publish(5, SetLock(found.chosen))
    found.publish(5, Complaint(found.chosen, 1, b""))
    found.settle()
    assert [(c.by, c.verdict) for c in complaints(found)] == [(5, "false")]


def test_a_complaint_is_owed_until_it_is_on_the_board():
    found = closed()
    liar = Liar(found, 1, WRONG_NUMBERS[0])
    owed = set[int]()

    def watch(sender, draft):
        owed.update(i for i, m in found.members.items() if m.owes_complaint)
        assert not isinstance(draft.body, Complaint) or found.members[sender].owes_complaint
        return liar(sender, draft)

    found.settle(tamper=watch)
    assert owed >= {2, 3}
    assert not any(member.owes_complaint for member in found.members.values())


def test_without_consent_nobody_complains():
    found = closed()
    found.settle((2, 3, 4, 5))
    found.members[5].consent = False
    found.settle((1,), tamper=Liar(found, 1, sealed={5: bytes(32)}))
    assert found.members[5].wrong_partials == [1]
    assert not found.members[5].owes_complaint
    assert found.due(5) is None
    found.members[5].consent = True
    assert found.members[5].owes_complaint
    draft = found.due(5)
    assert draft
    assert isinstance(draft.body, Complaint)


def test_parts_that_come_before_the_closing_wait_for_the_sum():
    twin, found = closed(), contributed()
    twin.settle((1, 2, 3, 4, 5))
    early = twin.members[1].view.partials[1].post.body
    found.publish(1, early, tuple(twin.blobs.values()))
    assert found.members[2].total is None
    found.close()
    assert found.members[1].view.chosen(TERMS.federation) == early.chosen
    found.settle((2, 3, 4, 5))
    assert_all_know_the_sum(found)
    assert not found.members[2].wrong_partials


def test_parts_of_a_set_that_is_refused_are_never_opened():
    found = closed((1, 2))  # too few
    chosen = found.chosen
    sealed = tuple(attach(bytes(50), i) for i in range(6))
    found.publish(1, Partial(chosen, bytes(32), sealed))
    member = found.members[2]
    assert (member.total, member.wrong_partials, member.complaints()) == (None, [], [])


def test_a_member_restarted_at_any_entry_complains_as_it_would_have():
    found = closed()
    found.settle(tamper=Liar(found, 1, WRONG_NUMBERS[0]))
    again = found.member(2)
    for posted in found.board.entries:
        again.receive(posted, found.payloads(posted, 2))
    assert again.complaints() == complaints(found, 2)
    assert again.due(Ledger()) is None
    assert again.wrong_partials == [1]


# ── what is not shown ──


def test_partials_are_sealed_to_the_members_alone():
    """The aggregator sees no partial decryption in what is posted."""
    found = closed()
    found.settle()
    said = b"".join(encode(e) for e in found.entries) + b"".join(found.blobs.values())
    for member in TOY.shares:
        for part in numbers_of(found, member):
            assert pack_numbers([part], width_of(SQUARE)) not in said


def test_every_partial_has_its_own_content_key():
    first, second = closed(), closed()
    first.settle()
    second.settle()
    bodies = [
        posted.post.body
        for found in (first, second)
        for posted in found.members[1].view.partials.values()
    ]
    commitments = {body.commitment for body in bodies if isinstance(body, Partial)}
    assert len(commitments) == len(bodies) >= 6


def test_a_member_of_a_round_shows_no_secret():
    found = closed()
    found.settle()
    member = found.members[1]
    shown = "".join(
        repr(value)
        for value in (member, *vars(member).values())
        if (not isinstance(value, list | dict))
    )
    assert str(TOY.shares[1].value) not in shown
    assert repr(TOY.secrets[1].sealing_seed)[2:-1] not in shown
    assert isinstance(member.view, RoundView)
