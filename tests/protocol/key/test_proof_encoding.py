"""A proof on the board has one spelling, and reads as what was written."""

import msgspec
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.proofs.equality_proof import CHECKPOINTS, EqualityProof
from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.key.proof_encoding import Proof, read_proof, write_proof

NUMBER = st.integers(0, 2**2_000).map(mpz)
POINTS = st.lists(NUMBER, min_size=CHECKPOINTS, max_size=CHECKPOINTS).map(tuple)
PROOF = write_proof(EqualityProof(mpz(1), mpz(2), mpz(3), (mpz(4),) * CHECKPOINTS))
MOST = 1 << 20


@given(proof=st.builds(EqualityProof, NUMBER, NUMBER, NUMBER, POINTS))
def test_a_proof_reads_as_what_was_written(proof):
    said = decode(encode(write_proof(proof)), Proof, "proof", MOST)
    assert read_proof(said) == proof


@pytest.mark.parametrize("field", ["first", "second", "response"])
def test_a_leading_zero_is_another_spelling(field):
    longer = msgspec.structs.replace(PROOF, **{field: b"\0" + getattr(PROOF, field)})
    assert read_proof(longer) is None


@pytest.mark.parametrize("j", range(CHECKPOINTS))
def test_a_leading_zero_of_a_checkpoint_is_another_spelling(j):
    points = list(PROOF.checkpoints)
    points[j] = b"\0" + points[j]
    assert read_proof(msgspec.structs.replace(PROOF, checkpoints=tuple(points))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"checkpoints": PROOF.checkpoints[1:]},
        {"checkpoints": (*PROOF.checkpoints, b"\1")},
        {"checkpoints": (b"\1" * 1_025, *PROOF.checkpoints[1:])},
        {"first": b"\1" * 1_025},
        {"second": b"\1" * 1_025},
        {"response": b"\1" * 4_097},
    ],
)
def test_too_many_too_few_or_too_long_numbers_are_malformed(change):
    written = msgspec.msgpack.encode(msgspec.structs.replace(PROOF, **change))
    with pytest.raises(Malformed):
        decode(written, Proof, "proof", MOST)
