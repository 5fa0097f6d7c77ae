"""One hospital gives another's training ciphertexts as its numbers for a statistic, and reads them.

The ciphertexts are on the board for all members. Re-randomised they repeat nothing, the sum of a
statistic is opened by one quorum under one key, and what the others add are small counts: the
victim's packed update comes out of the sum but for its lowest slots; under a hybrid suite its
one-time key does, and with it the whole update. That is why numbers of a statistic need the same
proof of plaintext knowledge as an update, from every member, in every round.
"""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from gmpy2 import mpz

from keyshare.hybrid.key_packing import unpack_key
from keyshare.hybrid.one_time_key import SummedKey, add_chunk, write_sum
from keyshare.proofs.plaintext_proof import PlaintextProof
from keyshare.randomness import Stream
from keyshare.rounds.packing import unpack
from protocol.board.post import Posted
from protocol.board.suite import suite_of
from protocol.messages.attachment import attach
from protocol.messages.rounds import Closing, Contribution, Contributor
from protocol.rounds import set_rules
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    add_encrypted,
    lattice_context,
    write_ciphertexts,
)
from tests.stage.rounds import toy_round
from tests.stage.rounds.contribution import proved
from tests.stage.rounds.toy_round import (
    LENGTH,
    TOY,
    TRAINING,
    HybridRound,
    opening_of_training,
    slots_of,
    training,
)
from tests.stage.toy import ToyEpoch, seed_of

SESSION = "study/age/1"
VICTIM, THIEF, OTHERS = 2, 5, (1, 3, 4)
Proof = Callable[[Encrypted, tuple[mpz, ...], Posted, ToyEpoch], PlaintextProof | None]


def counts_of(member: int, length: int) -> list[int]:
    """What honest hospitals count: small numbers."""
    return [40 + member + k % 20 for k in range(length)]


def rerandomised(values: tuple[mpz, ...], toy: ToyEpoch) -> tuple[mpz, ...]:
    encryptor, square = EncryptionKey.of(toy.epoch).encryptor, toy.key.n**2
    stream = Stream(seed_of("thief"))
    return tuple(c * encryptor.encrypt(mpz(0), stream) % square for c in values)


def statistic(seen: Encrypted, toy: ToyEpoch, proof: Proof) -> toy_round.Round:
    """A statistic to which the thief gives what it has seen, to its end; all others are honest."""
    length, n = len(seen.values), toy.key.n
    found = toy_round.statistic(length)
    opening = found.open()
    made = {
        i: proved([mpz(x) for x in counts_of(i, length)], i, SESSION, opening.digest, toy.epoch)
        for i in OTHERS
    }
    stolen = rerandomised(seen.values, toy)
    made[THIEF] = Encrypted(stolen, proof(seen, stolen, opening, toy))
    for i, one in made.items():
        payload = write_ciphertexts(one, n)
        found.publish(i, Contribution(opening.digest, attach(payload)), (payload,))
    posts = found.members[1].view.contributions
    total = write_ciphertexts(add_encrypted(list(made.values()), n), n)
    chosen = tuple(Contributor(i, posts[i].digest) for i in sorted(made))
    found.publish(0, Closing(chosen, attach(total)), (total,))
    found.settle()
    return found


def no_proof(*_: object) -> None:
    return None


def the_victims(seen: Encrypted, *_: object) -> PlaintextProof | None:
    return seen.proof


def one_of_its_own(
    seen: Encrypted, stolen: tuple[mpz, ...], opening: Posted, toy: ToyEpoch
) -> PlaintextProof | None:
    numbers = [mpz(7)] * len(stolen)
    return proved(numbers, THIEF, SESSION, opening.digest, toy.epoch).proof


PROOFS = (no_proof, the_victims, one_of_its_own)


def packed() -> Encrypted:
    """The victim's update as it contributed it to a round of training that has been opened."""
    found = toy_round.contributed((1, VICTIM, 3, 4))
    seen = found.proved(VICTIM, training(VICTIM))
    found.close()
    found.settle()
    assert not found.refusals
    return seen


def hybrid() -> HybridRound:
    found = HybridRound()
    found.open()
    for i in found.toy.federation.members:
        found.give(i)
    found.close()
    found.settle()
    assert not found.refusals
    return found


def unproved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hospitals take numbers of a statistic unproved, as if unmodified phe had encrypted them."""
    checked = set_rules.check_proof

    def in_training_alone(encrypted, body, session, member, key):
        if session.startswith("study/cardio/"):
            checked(encrypted, body, session, member, key)

    monkeypatch.setattr(set_rules, "check_proof", in_training_alone)


# ── with the proof ──


@pytest.mark.parametrize("proof", PROOFS)
def test_a_stolen_update_is_refused_by_every_hospital(proof: Proof) -> None:
    found = statistic(packed(), TOY, proof)
    assert found.refusals == {("proof-of-plaintext", THIEF)}
    assert set(found.members[1].view.refusals) == {1, 2, 3, 4, 5}
    assert all(member.plaintexts is None for member in found.members.values())


@pytest.mark.parametrize("proof", PROOFS)
def test_a_stolen_one_time_key_is_refused_by_every_hospital(proof: Proof) -> None:
    trained = hybrid()
    found = statistic(trained.made[VICTIM].encrypted, trained.toy, proof)
    assert found.refusals == {("proof-of-plaintext", THIEF)}
    assert all(member.plaintexts is None for member in found.members.values())


# ── without it ──


def test_without_the_proof_the_thief_reads_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    unproved(monkeypatch)
    seen = packed()
    found = statistic(seen, TOY, no_proof)
    assert not found.refusals
    opened = found.members[THIEF].plaintexts
    assert opened is not None
    suite = suite_of("paillier", TRAINING)
    slots = suite.slots(opening_of_training())
    read = unpack(opened, suite.packing(LENGTH), slots.count)
    true = slots_of(VICTIM, slots)
    lowest = len(seen.values)  # slots in which the counts are
    assert np.count_nonzero(read != true) <= lowest
    assert np.abs(read - true).max() <= sum(40 + i + 20 for i in OTHERS)


def test_without_the_proof_the_thief_reads_a_whole_hybrid_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The counts hide the lowest slots of the key: the thief guesses them, as it may the counts."""
    unproved(monkeypatch)
    trained = hybrid()
    made, toy, lattice = trained.made[VICTIM], trained.toy, trained.lattice
    found = statistic(made.encrypted, toy, no_proof)
    assert not found.refusals
    opened, n = found.members[THIEF].plaintexts, toy.key.n
    assert opened is not None
    guessed = [sum(counts_of(i, len(opened))[k] for i in OTHERS) for k in range(len(opened))]
    plaintexts = [(total - counts) % n for total, counts in zip(opened, guessed, strict=True)]
    key = SummedKey(lattice, unpack_key(plaintexts, lattice, n), 1)
    chunk = trained.blobs[made.body.vector[0]]  # every member may fetch it
    summed = write_sum(add_chunk(None, chunk, lattice), lattice)
    context = lattice_context(toy.epoch.digest, trained.opened.digest)
    assert (key.open(0, summed, len(made.values), context) == made.values).all()


def test_numbers_of_a_statistic_are_no_update_either() -> None:
    """A statistic's numbers, proof and all, given to training: the proof is for another session."""
    found = toy_round.contributed((1, 2, 3))
    other = toy_round.statistic(len(training(4).values))
    other.open()
    given = other.proved(THIEF, training(4))
    assert given.proof is not None
    payload = write_ciphertexts(given, TOY.key.n)
    found.contribute_payload(THIEF, attach(payload), None, (payload,))
    found.close()
    found.settle()
    assert found.refusals == {("proof-of-plaintext", THIEF)}


@pytest.mark.parametrize("field", ["session", "opening", "sender", "epoch", "federation"])
def test_a_contribution_to_a_statistic_is_good_for_nothing_else(field: str) -> None:
    """The very post of an honest hospital, said again elsewhere."""
    key, numbers = EncryptionKey.of(TOY.epoch), [mpz(5)]
    made = proved(numbers, VICTIM, SESSION, bytes(32), TOY.epoch)
    body = Contribution(bytes(32), attach(write_ciphertexts(made, TOY.key.n)))
    set_rules.check_proof(made, body, SESSION, VICTIM, key)
    other = msgspec.structs.replace(TOY.epoch, federation=bytes(32)).digest  # with the same N
    changed = {
        "session": (made, body, "study/ages/1", VICTIM, key),
        "opening": (made, msgspec.structs.replace(body, opening=b"o" * 32), SESSION, VICTIM, key),
        "sender": (made, body, SESSION, THIEF, key),
        "epoch": (made, body, SESSION, VICTIM, EncryptionKey(b"e" * 32, key.encryptor)),
        "federation": (made, body, SESSION, VICTIM, EncryptionKey(other, key.encryptor)),
    }
    with pytest.raises(set_rules.Malformed):
        set_rules.check_proof(*changed[field])
