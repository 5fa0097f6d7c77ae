"""A member gives a partial decryption that is not that of its share, and so picks the plaintext.

c_i·(1+N)^x passes every look at c_i alone: it adds a number of the member's choice to what the
quorum decrypts. Friedman et al., "Tiresias", eprint 2023/998, §4.2, prove every partial decryption.
"""

import gmpy2
import msgspec
import pytest
from gmpy2 import mpz

from keyshare.ceremony.shamir import integer_lagrange
from keyshare.key.partial_decryption import combine, partial_decryption, trial_ciphertext
from keyshare.key.threshold_key import SecretShare
from protocol.ceremony import key_steps
from protocol.ceremony.key_steps import Trial
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.encoding import decode, encode, pack_numbers, width_of
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.stage.ceremony.adversary import EITHER_WAY
from tests.stage.ceremony.liar import Lies, LyingTable, assert_caught, lying
from tests.stage.toy import toy_epoch

LIAR = 2


def with_partial(said: bytes, partial: mpz, square: mpz) -> bytes:
    trial = decode(said, Trial, "trial", MAX_BLOB_BYTES)
    packed = pack_numbers([partial], width_of(square))
    return encode(msgspec.structs.replace(trial, partial=packed))


def partial_of(run: CeremonyRun, share: mpz) -> mpz:
    _, ciphertext = trial_ciphertext(run.key.n, run.context)
    return partial_decryption(ciphertext, SecretShare(run.index, share), run.key)


def shifted(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
    assert run.share
    n = run.the_winner.n
    partial = partial_of(run, run.share.value) * gmpy2.powmod(1 + n, 42, n**2) % n**2
    return with_partial(said, partial, n**2)


def of_another_share(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
    assert run.share
    return with_partial(said, partial_of(run, run.share.value + 1), run.the_winner.n**2)


LIES = pytest.mark.parametrize("lie", [shifted, of_another_share])


@LIES
@EITHER_WAY
def test_a_wrong_partial_decryption_is_caught_by_its_proof(play, lie):
    assert_caught(play(lying({LIAR: Lies({"trial": lie})})), LIAR, "trial")


@LIES
def test_without_the_proof_no_member_could_say_who_it_was(monkeypatch, lie):
    monkeypatch.setattr(key_steps, "parts_hold", lambda *statement: True)
    table = LyingTable({LIAR: Lies({"trial": lie})}).run()
    assert table.named == {0}


def test_without_the_proof_a_member_of_the_quorum_picks_the_plaintext():
    toy, lie = toy_epoch(5, 3), 1_000_000
    key, square = toy.key, toy.key.n**2
    plaintext, ciphertext = trial_ciphertext(key.n, b"anything")
    quorum = (1, LIAR, 3)
    partials = {i: partial_decryption(ciphertext, toy.shares[i], key) for i in quorum}
    assert combine(partials, key) == plaintext
    # The liar's weight in this quorum and the key's constants are public: it inverts them.
    weight = 2 * integer_lagrange(quorum, key.delta)[LIAR]
    constants = 4 * key.delta**2 * key.theta
    x = lie * constants * gmpy2.invert(weight, key.n) % key.n
    partials[LIAR] = partials[LIAR] * gmpy2.powmod(1 + key.n, x, square) % square
    assert combine(partials, key) == (plaintext + lie) % key.n
