"""One proof that somebody knows the plaintexts of all its ciphertexts.

For K_l = (1+N)^(m_l) · h_N^(a_l) mod N², l < count, with h_N the public base of ``encryption``:

    x uniform in Z_N,  r uniform in [0, B·2^128),  B = count·2^128·2^⌈|N|/2⌉,  A = (1+N)^x · h_N^r
    ρ_l = H(context, N, K, A, l)  128 bits      z = x + Σ ρ_l·m_l mod N,  u = r + Σ ρ_l·a_l
    verified by  ((1+N)^z · h_N^u)² = (A · ∏ K_l^(ρ_l))² mod N²
                 A, K_l units,  0 <= z < N,  0 <= u < B·(2^128 + 1)

*Knowledge.* h_N is an N-th power, so that it adds nothing to a plaintext: two answers that differ
in ρ_l alone give m_l = (z - z')/(ρ_l - ρ_l') mod N; the difference, shorter than the factors of N,
is invertible, as 2 is. The randomness need not be extracted. *Zero knowledge:* z is uniform, u
within 2^-128 of independent of the a_l. *Not shown:* that m_l is in any range.

*Squares.* -1 is an N-th power too, so that a sign adds nothing to a plaintext either. With both
sides squared, many proofs can be verified at once (``plaintext_batch``) with what each would give.

Everything is in the hash (strong Fiat-Shamir): statement, who says it, in which round, with what
else. Without it a colluding hospital submits λ·c and K^λ of another and reads its update out of the
sum (tests/attacks/rounds/test_copied_contribution.py). Sources: the Σ-protocol for Paillier
plaintexts of Damgård, Jurik, Nielsen, 2010, §5; Bernhard, Pereira, Warinschi, Asiacrypt 2012 on
what to hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from keyshare.digest import Digest, digest, expand, number_bytes
from keyshare.key import Encryptor
from keyshare.proofs.power_product import power_product_in_steps
from keyshare.proofs.units import are_units_in_steps
from keyshare.randomness import Stream
from keyshare.steps import Steps, finish, parts

_CHALLENGE_BITS = _STATISTICAL_BITS = 128


@dataclass(frozen=True)
class PlaintextProof:
    """(A, z, u), for the ranges that the module's equations give."""

    commitment: mpz
    plaintext: mpz
    exponent: mpz


@dataclass(frozen=True)
class Opened:
    """A ciphertext with what is inside; never leaves the process."""

    ciphertext: mpz
    plaintext: mpz = field(repr=False)
    exponent: mpz = field(repr=False)


def encrypt_opened(plaintexts: Sequence[mpz], encryptor: Encryptor, stream: Stream) -> list[Opened]:
    """Ciphertexts of plaintexts in [0, N), with their exponents. Raises BadPlaintext."""
    found = []
    for plaintext in plaintexts:
        exponent = stream.bits(encryptor.exponent_bits)
        ciphertext = encryptor.encrypt_with(plaintext, exponent)
        found.append(Opened(ciphertext, mpz(plaintext), exponent))
    return found


def longest_exponent(count: int, exponent_bits: int) -> mpz:
    """The bound of u, B·(2^128 + 1)."""
    return _reach(count, exponent_bits) * ((mpz(1) << _STATISTICAL_BITS) + 1)


def prove_plaintexts(
    opened: Sequence[Opened], encryptor: Encryptor, context: bytes, stream: Stream
) -> PlaintextProof:
    """The proof for at least one ciphertext; 64 bytes are drawn from the stream."""
    ciphertexts = [one.ciphertext for one in opened]
    statement = _statement(ciphertexts, encryptor.n, context)
    # Hashed with the statement: a stream that is drawn from again gives other masks.
    nonce = Stream.derive(stream.bytes(64), "plaintext proof", statement)
    x = nonce.below(encryptor.n)
    reach = _reach(len(opened), encryptor.exponent_bits)
    r = nonce.below(reach << _STATISTICAL_BITS)
    commitment = encryptor.encrypt_with(x, r)
    weights = _challenges(statement, commitment, len(opened))
    z = x + sum(w * one.plaintext for w, one in zip(weights, opened, strict=True))
    u = r + sum(w * one.exponent for w, one in zip(weights, opened, strict=True))
    return PlaintextProof(commitment, z % encryptor.n, mpz(u))


def verify(
    proof: PlaintextProof, ciphertexts: Sequence[mpz], encryptor: Encryptor, context: bytes
) -> bool:
    """Whether who made the proof knows all plaintexts; False for an empty list too."""
    return finish(verify_in_steps(proof, ciphertexts, encryptor, context))


def verify_in_steps(
    proof: PlaintextProof, ciphertexts: Sequence[mpz], encryptor: Encryptor, context: bytes
) -> Steps[bool]:
    """The same in steps: the time grows with the ciphertexts, some 1.2 ms each at 3072 bits."""
    square = encryptor.n * encryptor.n
    weights = yield from weights_in_steps(proof, ciphertexts, encryptor, context)
    if weights is None:
        return False
    product = yield from power_product_in_steps(ciphertexts, weights, square)
    left = encryptor.encrypt_with(proof.plaintext, proof.exponent)
    right = proof.commitment * product % square
    return bool((left * left - right * right) % square == 0)


def weights_in_steps(
    proof: PlaintextProof, ciphertexts: Sequence[mpz], encryptor: Encryptor, context: bytes
) -> Steps[list[mpz] | None]:
    """ρ_l; None unless all numbers are units and in range, and there is one ciphertext at least."""
    n = encryptor.n
    if not ciphertexts or not 0 <= proof.plaintext < n:
        return None
    if not 0 <= proof.exponent < longest_exponent(len(ciphertexts), encryptor.exponent_bits):
        return None
    if not (yield from are_units_in_steps([proof.commitment, *ciphertexts], n * n)):
        return None
    statement = yield from _statement_in_steps(ciphertexts, n, context)
    return _challenges(statement, proof.commitment, len(ciphertexts))


def _reach(count: int, exponent_bits: int) -> mpz:
    """B, above every Σ ρ_l·a_l."""
    return mpz(count) << (_CHALLENGE_BITS + exponent_bits)


def _statement(ciphertexts: Sequence[mpz], n: mpz, context: bytes) -> bytes:
    return finish(_statement_in_steps(ciphertexts, n, context))


def _statement_in_steps(ciphertexts: Sequence[mpz], n: mpz, context: bytes) -> Steps[bytes]:
    hashed = Digest("quorate/plaintext-proof/ciphertexts")
    for part in parts(len(ciphertexts)):
        hashed.add_numbers(ciphertexts[part])
        yield
    said = context, number_bytes(n), hashed.value
    return digest("quorate/plaintext-proof/statement", *said)


def _challenges(statement: bytes, commitment: mpz, count: int) -> list[mpz]:
    """ρ_l, from the whole statement and the commitment."""
    key = digest("quorate/plaintext-proof/challenges", statement, number_bytes(commitment))
    return expand(key, count, _CHALLENGE_BITS)
