"""A one-time key that encrypts two vectors shows their difference to everyone.

c - c' = Δ·(m - m') but for what was dropped: no key is needed. A restored snapshot of a machine
repeats what it believes to be fresh randomness, so the key is bound to the update as well.
"""

from typing import Any

import numpy as np
import pytest

from keyshare.hybrid.lattice import S1, Lattice
from keyshare.hybrid.one_time_key import OneTimeKey
from participant.rounds import contribution
from participant.rounds.contribution import ContributionMaker
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.messages.attachment import blob_name
from protocol.messages.rounds import Contribution, Opening
from tests.simulator.disk import Disk
from tests.stage.studies import SESSION, training_study
from tests.stage.toy import Table, ToyEpoch, seed_of, toy_epoch

LATTICE = Lattice(S1, 16)
LENGTH = 3000


def coefficients(chunk: bytes, lattice: Lattice = LATTICE) -> list[int]:
    width = lattice.contribution_bytes
    return [int.from_bytes(chunk[k : k + width], "little") for k in range(0, len(chunk), width)]


def read_difference(one: bytes, other: bytes, lattice: Lattice, count: int) -> list[int]:
    """m - m' from two ciphertexts under one key, by someone who has nothing else."""
    q, half = 1 << S1.modulus_bits, lattice.radix // 2
    rows: list[list[int]] = [[], []]
    for x, y in zip(coefficients(one), coefficients(other), strict=True):
        away = ((x - y) * 16 + q // 2) % q - q // 2
        message = round(away / lattice.delta)
        low = (message + half) % lattice.radix - half  # differences are signed
        rows[0].append(low)
        rows[1].append((message - low) // lattice.radix)
    return [value for pair in zip(*rows, strict=True) for value in pair][:count]


def two_vectors() -> np.ndarray:
    return np.random.default_rng(7).integers(0, LATTICE.levels, (2, LENGTH))


def test_the_same_key_for_two_vectors_shows_their_difference():
    one, other = two_vectors()
    key = OneTimeKey(LATTICE, seed_of("used twice"))
    sent = [key.encrypt(0, values, seed_of("context")) for values in (one, other)]
    assert read_difference(sent[0], sent[1], LATTICE, LENGTH) == (one - other).tolist()


def test_another_key_for_the_second_vector_shows_nothing_of_it():
    one, other = two_vectors()
    sent = [
        OneTimeKey(LATTICE, seed_of(label)).encrypt(0, values, seed_of("context"))
        for label, values in (("first", one), ("second", other))
    ]
    found = np.array(read_difference(sent[0], sent[1], LATTICE, LENGTH))
    assert np.count_nonzero(found == one - other) < 5


# ── the hospital that makes contributions ──


class Weights:
    """An update in memory."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def slice(self, start: int, stop: int) -> np.ndarray:
        return self._values[start:stop]


UPDATE = np.sin(np.arange(LENGTH) / 7.0)
FRESH = seed_of("what a snapshot repeats")
TOY = toy_epoch(5, 3)
STUDY = training_study(TOY.federation.terms, suite="hybrid")


def opening(label: str = "model") -> Posted:
    body = Opening(STUDY.digest, TOY.epoch.digest, seed_of(label), LENGTH, "hybrid", 1.0, 1_000)
    return Table(TOY.federation).say(0, Draft(SESSION, body))


@pytest.fixture
def made() -> Any:
    """How member 1 answers an opening with an update: its contribution and the vector's bytes."""

    def contribute(
        update: np.ndarray = UPDATE,
        fresh: bytes = FRESH,
        posted: Posted | None = None,
        toy: ToyEpoch = TOY,
        member: int = 1,
    ) -> tuple[Contribution, bytes]:
        storage = Disk()
        own = ContributionMaker(STUDY, toy.epoch, toy.secrets[member], storage, fresh=fresh)
        draft, writer = own.make(Weights(update), 500, posted or opening())  # type: ignore[arg-type]
        assert writer.fits
        blobs = {blob_name(data): data for data in storage.files.values()}
        return draft.body, b"".join(blobs[name] for name in draft.body.vector)  # type: ignore[return-value]

    return contribute


def spread(one: bytes, other: bytes) -> float:
    """Of c - c' mod q/2^d, as a part of what independent ciphertexts have."""
    q = 1 << S1.wire_bits
    pairs = zip(coefficients(one), coefficients(other), strict=True)
    away = np.array([(x - y + q // 2) % q - q // 2 for x, y in pairs], dtype=np.float64)
    return float(np.sqrt(np.mean(away**2)) / (q / np.sqrt(12)))


def test_a_snapshot_that_repeats_its_randomness_gives_another_update_another_key(made):
    one, sent = made()
    changed = UPDATE.copy()
    changed[LENGTH // 2] += 0.01
    another, resent = made(changed)
    assert another.ciphertexts.digest != one.ciphertexts.digest
    assert spread(sent, resent) == pytest.approx(1, abs=0.1)


def test_the_same_update_gives_the_same_bytes_however_often_it_is_sent(made):
    assert made() == made()


@pytest.mark.parametrize("change", ["fresh", "opening", "member"])
def test_another_round_another_try_and_another_member_have_another_key(made, monkeypatch, change):
    seeds: list[bytes] = []

    def seen(lattice: Lattice, seed: bytes) -> OneTimeKey:
        seeds.append(seed)
        return OneTimeKey(lattice, seed)

    monkeypatch.setattr(contribution, "OneTimeKey", seen)
    _, sent = made()
    kinds: dict[str, dict[str, Any]] = {
        "fresh": {"fresh": seed_of("really fresh")},
        "opening": {"posted": opening("another model")},
        "member": {"member": 2},
    }
    _, other = made(**kinds[change])
    assert seeds[0] != seeds[1]
    assert spread(sent, other) == pytest.approx(1, abs=0.1)


def test_if_the_key_were_not_bound_to_the_update_its_change_would_show(made, monkeypatch):
    bound = ContributionMaker._seed
    monkeypatch.setattr(
        ContributionMaker, "_seed", lambda self, context, hashed: bound(self, context, b"")
    )
    _, sent = made()
    changed = UPDATE.copy()
    changed[LENGTH // 2] += 0.01
    _, resent = made(changed)
    assert spread(sent, resent) < 0.1
