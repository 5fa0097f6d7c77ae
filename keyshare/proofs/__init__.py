"""Proofs that a value is what it has to be, without showing the secret behind it.

One proof shows that many values are powers with one secret exponent: a member's parts, a dealer's
test values. The other shows that a contributor knows the plaintexts of all its ciphertexts.
"""

from keyshare.proofs import plaintext_proof
from keyshare.proofs.equality_proof import CHECKPOINTS, EqualityProof, EqualPowers, prove, verify
from keyshare.proofs.plaintext_batch import ProvedPlaintexts, all_hold
from keyshare.proofs.plaintext_proof import (
    PlaintextProof,
    encrypt_opened,
    prove_plaintexts,
    verify_in_steps,
)
from keyshare.proofs.proved_parts import MemberParts, parts_hold, prove_parts
from keyshare.proofs.units import are_units
