"""A joint test decryption: what is decrypted is hashed, who sends a wrong part is named."""

from collections.abc import Callable
from typing import Any

import gmpy2
import msgspec
import pytest
from gmpy2 import mpz

from keyshare.key.partial_decryption import partial_decryption
from keyshare.key.threshold_key import SecretShare
from keyshare.randomness import Stream
from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.encoding import decode, encode, pack_numbers, width_of
from protocol.errors import BadEntry
from protocol.key.epoch import epoch_secret
from protocol.key_check import check as key_check
from protocol.key_check.check import KeyCheck, ProvenPart, is_whole
from protocol.messages.attachment import attach
from protocol.messages.check import CheckPart, CheckRequest
from tests.stage.rounds.toy_round import contributed
from tests.stage.toy import Table, ToyEpoch, seed_of, toy_epoch

TOY = toy_epoch(5, 3)
SESSION = "check/1"
WRONG = "it was not made with the key share that the ceremony gave"


class CheckTable(Table):
    """Members at one table who check their shares together."""

    def __init__(self, *members: int, toy: ToyEpoch = TOY, session: str = SESSION) -> None:
        super().__init__(toy.federation)
        self.toy, self.session = toy, session
        self.checks = {m: self.check(m) for m in members}
        for number in range(1, int(session.partition("/")[2])):  # those before it, or it may not be
            self.say(members[0], Draft(f"check/{number}", CheckRequest(bytes(32), bytes(32))))

    def check(self, member: int) -> KeyCheck:
        return KeyCheck(
            self.session,
            self.toy.epoch,
            member,
            seed_of("nonce", member),
            Stream(seed_of("proof", member)),
        )

    def publish(self, sender: int, draft: Draft) -> Posted:
        posted = self.say(sender, draft)
        assert not isinstance(posted.post.body, Surplus)
        for check in self.checks.values():
            check.receive(posted, self.payloads(posted, check.index))
        return posted

    def settle(self, tamper: Callable[[int, Draft], Draft] = lambda m, draft: draft) -> None:
        secrets, checks = self.toy.secrets, self.checks
        while drafts := [(m, d) for m, c in checks.items() if (d := c.due(secrets[m]))]:
            for sender, draft in drafts:
                self.publish(sender, tamper(sender, draft))


def part_of(draft: Draft) -> ProvenPart:
    assert isinstance(draft.body, CheckPart)
    data = draft.body.payload.data or draft.blobs[0]
    return decode(data, ProvenPart, "part", 1 << 16)


def with_part(draft: Draft, part: ProvenPart) -> Draft:
    body = draft.body
    assert isinstance(body, CheckPart)
    return Draft(draft.session, CheckPart(body.request, attach(encode(part))))


@pytest.mark.parametrize("members", [(1, 2, 3), (2, 4, 5), (1, 2, 3, 4, 5)])
def test_a_quorum_decrypts_the_test_value_and_everybody_sees_whose_shares_are_good(
    members: tuple[int, ...],
) -> None:
    table = CheckTable(*members)
    table.settle()
    for check in table.checks.values():
        assert sorted(check.good) == check.heard == list(members)
        assert not check.wrong
        assert check.decrypts


def test_fewer_than_a_quorum_decrypt_nothing() -> None:
    table = CheckTable(1, 4)
    table.settle()
    assert sorted(table.checks[1].good) == [1, 4]
    assert not table.checks[1].decrypts


def test_the_first_request_counts_and_those_that_cross_it_change_nothing() -> None:
    table = CheckTable(1, 2, 3)
    drafts = {m: check.due(TOY.secrets[m]) for m, check in table.checks.items()}
    for member, draft in drafts.items():
        assert draft is not None
        assert isinstance(draft.body, CheckRequest)
        table.publish(member, draft)
    table.settle()
    requests = {check.request.digest for check in table.checks.values() if check.request}
    assert requests == {table.board.entries[0].digest}
    assert all(check.decrypts for check in table.checks.values())


def test_a_member_that_comes_later_or_starts_again_goes_on_from_the_board() -> None:
    table = CheckTable(1, 2)
    table.settle()
    for member in (3, 1):
        again = table.check(member)
        for posted in table.board.entries:
            again.receive(posted, table.payloads(posted, member))
        table.checks[member] = again
    draft = table.checks[3].due(TOY.secrets[3])
    assert draft is not None
    assert isinstance(draft.body, CheckPart)
    assert table.checks[1].due(TOY.secrets[1]) is None
    table.settle()
    assert table.checks[1].decrypts


def test_another_epochs_request_opens_nothing() -> None:
    table = CheckTable(1, 2, 3)
    table.publish(5, Draft(SESSION, CheckRequest(bytes(32), bytes(32))))
    assert table.checks[1].request is None
    table.settle()
    assert table.checks[1].decrypts


def test_a_part_for_another_request_is_neither_good_nor_wrong_here() -> None:
    table = CheckTable(1, 2, 3)
    table.settle()
    table.publish(5, Draft(SESSION, CheckPart(bytes(32), attach(b"of another epoch"))))
    assert table.checks[1].heard == [1, 2, 3]


def test_parts_that_fit_together_but_give_another_value_are_no_decryption() -> None:
    table = CheckTable(1, 2, 3)
    table.settle()
    _, other = key_check.trial_ciphertext(TOY.key.n, b"another value")
    table.checks[1].good = {m: partial_decryption(other, TOY.shares[m], TOY.key) for m in (1, 2, 3)}
    assert not table.checks[1].decrypts


# ── who sends a wrong part is named ──


def of_another_share(draft: Draft) -> Draft:
    """Honest work, with a share that is off by one."""
    secret = TOY.secrets[2]
    share = SecretShare(2, secret.secret_share().value + 1)
    forger, forged = CheckTable().check(2), epoch_secret(TOY.epoch, share, secret.sealing_seed)
    table = Table(TOY.federation)
    asked = table.say(1, Draft(SESSION, CheckRequest(TOY.epoch.digest, seed_of("nonce", 1))))
    assert isinstance(draft.body, CheckPart)
    assert draft.body.request == asked.digest
    forger.receive(asked, {})
    made = forger.due(forged)
    assert made is not None
    return made


def another_response(draft: Draft) -> Draft:
    said = part_of(draft)
    response = bytes([said.proof.response[0] ^ 1]) + said.proof.response[1:]
    proof = msgspec.structs.replace(said.proof, response=response)
    return with_part(draft, ProvenPart(said.part, proof))


def another_value(draft: Draft) -> Draft:
    said, square = part_of(draft), TOY.key.n**2
    value = mpz(int.from_bytes(said.part, "big")) * 4 % square
    return with_part(draft, ProvenPart(pack_numbers([value], width_of(square)), said.proof))


def too_large(draft: Draft) -> Draft:
    said, square = part_of(draft), TOY.key.n**2
    value = mpz(int.from_bytes(said.part, "big")) + square
    return with_part(draft, ProvenPart(pack_numbers([value], width_of(square) + 1), said.proof))


def garbage(draft: Draft) -> Draft:
    assert isinstance(draft.body, CheckPart)
    return Draft(draft.session, CheckPart(draft.body.request, attach(b"\x93garbage")))


@pytest.mark.parametrize(
    "lie", [of_another_share, another_response, another_value, too_large, garbage]
)
def test_a_wrong_part_names_its_member_and_the_others_still_decrypt(
    lie: Callable[[Draft], Draft],
) -> None:
    table = CheckTable(1, 2, 3, 4)
    table.settle(lambda m, d: lie(d) if m == 2 and isinstance(d.body, CheckPart) else d)
    for check in table.checks.values():
        assert list(check.wrong) == [2]
        assert sorted(check.good) == [1, 3, 4]
        assert check.decrypts


def test_a_share_that_is_not_the_ceremonys_is_told_as_such() -> None:
    table = CheckTable(1, 2, 3)
    table.settle(lambda m, d: another_value(d) if m == 2 and isinstance(d.body, CheckPart) else d)
    assert table.checks[3].wrong == {2: WRONG}
    assert not table.checks[3].decrypts  # two good parts are no quorum


def test_a_part_and_its_proof_are_its_makers_alone() -> None:
    table = CheckTable(1, 2, 3)
    parts: dict[int, Draft] = {}

    def copy(member: int, draft: Draft) -> Draft:
        if isinstance(draft.body, CheckPart):
            parts[member] = draft
            return parts[1]
        return draft

    table.settle(copy)
    assert sorted(table.checks[3].wrong) == [2, 3]


def test_a_part_of_an_earlier_check_is_none_of_this_one() -> None:
    first = CheckTable(1, 2, 3)
    first.settle()
    bodies = [p.post.body for p in first.board.entries if p.post.sender == 2]
    (old,) = [body for body in bodies if isinstance(body, CheckPart)]
    second = CheckTable(1, 2, 3, session="check/2")

    def replay(member: int, draft: Draft) -> Draft:
        if member == 2 and isinstance(draft.body, CheckPart):
            return Draft("check/2", CheckPart(draft.body.request, old.payload))
        return draft

    second.settle(replay)
    assert list(second.checks[1].wrong) == [2]


def test_the_first_part_of_a_member_counts() -> None:
    table = CheckTable(1, 2, 3)
    table.settle()
    request = table.checks[1].request
    assert request
    table.publish(2, Draft(SESSION, CheckPart(request.digest, attach(b"no part"))))
    assert table.checks[1].decrypts
    assert not table.checks[1].wrong


def test_a_part_for_one_reader_alone_is_not_let_onto_the_board() -> None:
    table = CheckTable(1)
    table.settle()
    request = table.checks[1].request
    assert request
    with pytest.raises(BadEntry):
        table.say(2, Draft(SESSION, CheckPart(request.digest, attach(b"part", 3))))


# ── what a check cannot do: decrypt anything that somebody chose ──


def decrypted_by(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> list[mpz]:
    """The ciphertexts that members have made parts of."""
    found: list[mpz] = []

    def watched(ciphertext: mpz, share: Any, key: Any) -> mpz:
        found.append(ciphertext)
        return partial_decryption(ciphertext, share, key)

    monkeypatch.setattr(key_check, "partial_decryption", watched)
    act()
    return found


def hashed_value(request: bytes, session: str = SESSION) -> mpz:
    """The test value from its definition in words: epoch, session and the request's post."""
    context = key_check.digest("quorate/key check", TOY.epoch.digest, session.encode(), request)
    return key_check.trial_ciphertext(TOY.key.n, context)[1]


def test_a_member_makes_a_part_of_the_hashed_value_and_of_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = CheckTable(1, 2, 3)
    # A requester that puts into its nonce, its epoch and its parts whatever it wants decrypted.
    victim = (trained := contributed()).ciphertexts_of(trained.session, 2).values[0]
    wanted = int(victim).to_bytes(64, "big")
    table.publish(4, Draft(SESSION, CheckRequest(TOY.epoch.digest, wanted[-32:])))
    request = table.board.entries[0].digest
    table.publish(4, Draft(SESSION, CheckPart(request, attach(wanted))))
    table.publish(4, Draft(SESSION, CheckRequest(TOY.epoch.digest, wanted[:32])))
    found = decrypted_by(monkeypatch, table.settle)
    assert found == [hashed_value(request)] * 3
    assert gmpy2.gcd(victim, TOY.key.n) == 1


def test_the_value_depends_on_epoch_session_and_request(monkeypatch: pytest.MonkeyPatch) -> None:
    values = set()
    for session in ("check/1", "check/2"):
        for nonce in (bytes(32), bytes(31) + b"\x01"):
            table = CheckTable(1, session=session)
            table.publish(4, Draft(session, CheckRequest(TOY.epoch.digest, nonce)))
            (value,) = decrypted_by(monkeypatch, table.settle)
            asked = table.board.session(session)[0].digest
            assert value == hashed_value(asked, session)
            values.add(value)
    assert len(values) == 4


# ── one share by itself ──


def test_a_share_is_whole_by_itself_and_a_changed_one_is_not() -> None:
    for member, secret in TOY.secrets.items():
        stream = Stream(seed_of("alone", member))
        assert is_whole(TOY.epoch, secret, seed_of("nonce"), stream)
        for off in (1, -1, TOY.key.n):
            share = SecretShare(member, secret.secret_share().value + off)
            changed = epoch_secret(TOY.epoch, share, secret.sealing_seed)
            assert not is_whole(TOY.epoch, changed, seed_of("nonce"), stream)


def test_a_share_beyond_every_bound_is_not_whole() -> None:
    share = SecretShare(1, mpz(1) << 4_000)
    secret = epoch_secret(TOY.epoch, share, TOY.secrets[1].sealing_seed)
    assert not is_whole(TOY.epoch, secret, seed_of("nonce"), Stream(bytes(32)))
