"""The page that counts a thousand clinics says what the code says."""

from math import log2
from pathlib import Path

import pytest

from keyshare.errors import BadParameters
from keyshare.hybrid import RINGS, Lattice
from protocol.messages import MAX_CHUNKS, MAX_LENGTH

PAGE = Path(__file__).parents[2] / "docs" / "thousand-clinics.md"
S1, S2 = RINGS["hybrid"], RINGS["hybrid-s2"]
CLINICS, WEIGHTS = 1_000, 10**9


def test_its_bytes_pieces_and_bits_are_those_of_the_suite():
    lattice, said = Lattice(S1, CLINICS), PAGE.read_text()
    per_word = lattice.weights_per_coefficient
    assert f"{lattice.contribution_bytes / per_word:.1f} GB" in said
    assert f"{lattice.sum_bytes / per_word:.1f} GB" in said
    assert f"{lattice.contribution_bytes / per_word * CLINICS / 1e3:.1f} TB" in said
    assert f"{lattice.chunk_count(WEIGHTS):,} pieces" in said
    assert f"{lattice.levels} levels" in said
    assert f"{int(log2(lattice.levels))} bits of a weight" in said
    assert f"keep {int(log2(Lattice(S1, CLINICS, 1).levels))} bits" in said


def test_its_limits_are_those_of_the_code():
    said = PAGE.read_text()
    assert f"{MAX_CHUNKS:,} pieces" in said
    assert MAX_LENGTH == 1 << 30
    assert f"beyond {S2.max_members} contributors" in said
    assert f"good for {S1.max_members:,}" in said
    with pytest.raises(BadParameters):
        Lattice(S2, S2.max_members + 1)
