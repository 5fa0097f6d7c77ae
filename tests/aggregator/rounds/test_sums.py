"""What is added and what is left out, from payloads alone."""

import pytest

from aggregator.rounds.sums import OpenRound, sum_in_steps
from keyshare.steps import finish
from protocol.messages.rounds import Opening
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    read_ciphertexts,
    write_ciphertexts,
)
from tests.stage.rounds.contribution import encrypt, prove
from tests.stage.rounds.selected import select
from tests.stage.studies import statistic_study
from tests.stage.toy import toy_epoch

EPOCH = toy_epoch(3, 2)
TERMS, N = EPOCH.federation.terms, EPOCH.key.n
ENCRYPTOR = EncryptionKey.of(EPOCH.epoch).encryptor
STUDY = statistic_study(TERMS)
SESSION = STUDY.round(1)


def opening(length: int) -> Opening:
    return Opening(STUDY.digest, EPOCH.epoch.digest, bytes(32), length)


def contributed(
    member: int, *, session: str = SESSION, opened: bytes = bytes(32), length: int = 2
) -> Encrypted:
    """A member's numbers, proved for a session and an opening."""
    opened_numbers = encrypt(range(member, member + length), EPOCH.epoch, "sums", member)
    return prove(opened_numbers, member, session, opened, EPOCH.epoch)


def judged(payloads: dict[int, bytes], length: int = 2) -> OpenRound:
    return select(payloads, SESSION, opening(length), STUDY, EPOCH.epoch)


def test_proved_numbers_are_added() -> None:
    made = {m: contributed(m) for m in (3, 1, 2)}
    payloads = {m: write_ciphertexts(one, N) for m, one in made.items()}
    found = judged(payloads)
    assert (found.fit, found.unfit) == (set(made), {})
    payload = finish(sum_in_steps(payloads.values(), opening(2), STUDY, N))
    total = read_ciphertexts(payload, opening(2), STUDY, N)
    products = [
        a * b * c % N**2 for a, b, c in zip(*(m.values for m in made.values()), strict=True)
    ]
    assert total == Encrypted(tuple(products))


ONE = contributed(1)
UNPROVED = {
    "no proof": Encrypted(ONE.values),
    "another member's": contributed(2),
    "of another session": contributed(1, session="study/weight/1"),
    "of a round of training": contributed(1, session="study/cardio/1"),
    "of another opening": contributed(1, opened=b"o" * 32),
    "of other ciphertexts": Encrypted(contributed(2).values, ONE.proof),
    "of a multiple": Encrypted(tuple(c**2 % N**2 for c in ONE.values), ONE.proof),
}


@pytest.mark.parametrize("kind", UNPROVED)
def test_numbers_without_a_fitting_proof_are_left_out_of_a_statistic(kind: str) -> None:
    payloads = {1: write_ciphertexts(UNPROVED[kind], N), 3: write_ciphertexts(contributed(3), N)}
    found = judged(payloads)
    assert found.fit == {3}
    assert "no fitting proof" in found.unfit[1].detail


def test_no_payload_gives_no_choice() -> None:
    found = judged({}, 1)
    assert (found.fit, found.unfit) == (set(), {})


def test_all_bad_payloads_are_all_named() -> None:
    found = judged({1: b"", 2: b"\xc0", 3: b"x" * 9}, 1)
    assert not found.fit
    assert set(found.unfit) == {1, 2, 3}
