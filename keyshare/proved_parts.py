"""One proof for all of a member's partial decryptions: they were made with its key share.

    (v^Δ)^(f_i) = VK_i   and   (c_k^(2Δ))^(f_i) = c_(i,k) mod N²  up to signs, for every k

by ``keyshare.equality_proof``; ``combine`` squares the signs away. Sources: its own, and Nishide,
Sakurai, WISA 2010, §4.4 for the verification keys.
"""

from __future__ import annotations

from collections.abc import Sequence

import gmpy2
from gmpy2 import mpz

from keyshare.equality_proof import EqualityProof, prove, verify
from keyshare.randomness import Stream
from keyshare.threshold_key import JointKey, KeyShare, key_shape


def part_statement(
    ciphertexts: Sequence[mpz], member: int, key: JointKey
) -> tuple[mpz, mpz, list[mpz]]:
    """What an equality proof shows of a member's parts: base, value and bases, mod N².

    (v^Δ)^(f_i) = VK_i, and (c_k^(2Δ))^(f_i) = c_(i,k) for each ciphertext; member: 1..n.
    """
    square = key.n * key.n
    base = gmpy2.powmod(key.verification_base, key.delta, square)
    raised = [gmpy2.powmod(c, 2 * key.delta, square) for c in ciphertexts]
    return base, key.verification_keys[member - 1], raised


def prove_parts(
    parts: Sequence[mpz],
    ciphertexts: Sequence[mpz],
    share: KeyShare,
    key: JointKey,
    context: bytes,
    stream: Stream,
) -> EqualityProof:
    """The proof for parts[k] = c_k^(2Δ·f_i), one at least; 32 bytes are drawn from the stream.

    context: what the proof is bound to. Raises ValueError for numbers that are no units.
    """
    base, value, bases = part_statement(ciphertexts, share.index, key)
    square = key.n * key.n
    bound = _bound(key)
    return prove(share.value, base, value, bases, parts, square, bound, context, stream)


def parts_hold(
    proof: EqualityProof,
    parts: Sequence[mpz],
    ciphertexts: Sequence[mpz],
    member: int,
    key: JointKey,
    context: bytes,
) -> bool:
    """Whether the proof shows that a member's parts, one at least, are those of its key share."""
    base, value, bases = part_statement(ciphertexts, member, key)
    return verify(proof, base, value, bases, parts, key.n * key.n, _bound(key), context)


def _bound(key: JointKey) -> mpz:
    return key_shape(key.n, key.n_members, key.quorum).share_bound
