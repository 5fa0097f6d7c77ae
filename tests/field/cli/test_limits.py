"""What holds for so many members and no more says so where it stands, whatever is above it."""

from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpz

from aggregator.rounds import vector_sum
from aggregator.rounds.vector_sum import Vector, VectorSum
from keyshare.ceremony.lanes import evaluate_row, lanes
from keyshare.ceremony.modulus import MAX_MEMBERS, candidate_shape
from keyshare.errors import BadParameters
from keyshare.hybrid import lattice
from keyshare.hybrid.checksum import ChecksumKey, sum_checksums
from keyshare.hybrid.lattice import S1, S2, Lattice
from keyshare.hybrid.one_time_key import read_words
from protocol.encoding import Message
from protocol.errors import BadTerms
from protocol.messages.attachment import blob_name
from protocol.messages.fields import MAX_ATTACHMENTS
from protocol.terms.terms import Member, check
from tests.stage.rounds.served_hybrid import SESSION
from tests.stage.rounds.whole_update import sum_of
from tests.stage.toy import replace_terms, toy_federation


class Wide(Message, frozen=True):
    member: int
    contribution: bytes


class WideSum(Message, frozen=True):
    contributors: tuple[Wide, ...]
    coefficients: bytes


def degree(n_members: int) -> int:
    return (n_members - 1) // 2


# ── shares in lanes ──


@pytest.mark.parametrize("members", [3, MAX_MEMBERS, 20])
def test_the_largest_share_of_all_members_stays_in_its_lane(members: int) -> None:
    row = lanes(521, 3)
    largest = [row.repeat(row.prime)] * (degree(members) + 1)
    one = [mpz(0), row.repeat(mpz(1))] + [mpz(0)] * (degree(members) - 1)
    assert {x % row.prime for x in row.split(evaluate_row(largest, members, row))} == {0}
    assert row.split(evaluate_row(one, members, row)) == [members] * 3


@pytest.mark.parametrize("members", [21, 40])
def test_a_share_that_may_leave_its_lane_is_refused(members: int) -> None:
    row = lanes(521, 3)
    with pytest.raises(BadParameters) as caught:
        evaluate_row([row.repeat(mpz(1))] * (degree(members) + 1), members, row)
    assert (caught.value.field, caught.value.value) == ("members", members)
    assert f"degree {degree(members)}" in caught.value.allowed


# ── sums of vectors, and their checksums ──


@pytest.mark.parametrize(("ring", "most"), [(S1, 1 << 16), (S2, 256)])
def test_no_lattice_is_for_more_sums_than_its_words_hold(ring: lattice.Ring, most: int) -> None:
    assert Lattice(ring, min(most, 1024)).members
    with pytest.raises(BadParameters) as caught:
        Lattice(ring, most + 1)
    assert (caught.value.field, caught.value.allowed) == ("members", f"2 to {most}")


@pytest.mark.parametrize("ring", [S1, S2])
def test_checksums_of_as_many_as_there_may_be_add_up(ring: lattice.Ring) -> None:
    """With the largest words that can be sent."""
    members = min(256, 1 << (64 - ring.wire_bits))
    shape, key = Lattice(ring, members), ChecksumKey(bytes(32))
    data = b"\xff" * (8 * shape.contribution_bytes)
    each = key.of_chunk(0, read_words(data, shape.contribution_bytes))
    total = sum_of([data] * members, shape)
    assert key.of_chunk(0, total) == sum_checksums([each] * members)


@pytest.mark.usefixtures("short_chunks")
def test_a_running_sum_of_more_than_a_hundred_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a federation might have so many, which no message holds."""
    monkeypatch.setattr(vector_sum, "Contributor", Wide)
    monkeypatch.setattr(vector_sum, "ChunkSum", WideSum)
    shape, length = Lattice(S1, 256), 5
    data = np.random.default_rng(1).bytes(shape.contribution_chunk_bytes(0, length))
    vectors = {m: Vector(m.to_bytes(32, "big"), (blob_name(data),)) for m in range(1, 257)}
    asked: list[bytes] = []

    def read(name: bytes) -> bytes:
        asked.append(name)
        return data

    first = VectorSum(tmp_path, SESSION, shape, length)
    while first.advance(vectors, read):
        pass
    assert first.read(0, vectors) is not None
    after_a_restart = VectorSum(tmp_path, SESSION, shape, length)
    while after_a_restart.advance(vectors, read):
        pass
    assert len(asked) == 256  # nothing is added twice, or anew


# ── and above them all ──


def test_a_federation_has_at_most_sixteen_members() -> None:
    """Which is within every limit of this file, and what messages are made for."""
    assert MAX_MEMBERS == 16
    assert MAX_ATTACHMENTS == MAX_MEMBERS + 1
    with pytest.raises(BadParameters, match="3 to 16"):
        candidate_shape(2048, 17)
    terms = toy_federation().terms
    members = tuple(Member(f"H{k}", bytes([k]) * 32) for k in range(1, 18))
    with pytest.raises(BadTerms, match="3 to 16"):
        check(replace_terms(terms, members=members))
