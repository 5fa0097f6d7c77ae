"""What N = (Σ p_i)·(Σ q_i) costs a party, by three ways to multiply.

``shares``: Shamir shares of t+1 dealers, as in the ceremony; private against t = ⌊(n-1)/2⌋.
``paillier``: n dealers, and for each ordered pair (i, j) j turns Enc_i(p_i) into Enc_i(p_i·q_j - m)
and keeps m, with unmodified phe; private against n-1.
``ring``: n dealers, and all candidates packed into ciphertexts under one threshold key, as
benchmarks.ring has it; private against n-1.
All three are without any proof, and measured without a network. More dealers sieve less, since each
has a smaller interval to choose from, so that there are more candidates.
"""

import math
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from gmpy2 import mpz
from phe import paillier

from benchmarks.ring import RingShape, product_bytes, product_seconds
from benchmarks.timing import Stopwatch
from keyshare.ceremony import CandidateShape, candidate_shape, deal_factors, expected_candidates

_BATCH = 500  # candidates in a measured dealing
_PRODUCTS = 10  # measured pairwise products
_MASKING_BITS = 128  # by which a mask exceeds what it hides
_PAILLIER_BITS = 3072  # at least, for 128-bit security


@dataclass(frozen=True)
class Cost:
    """One party's seconds of one core and bytes sent, of a candidate and of a mean ceremony."""

    colluders: int
    candidates: float
    seconds_per_candidate: float
    bytes_per_candidate: float
    seconds: float
    megabytes: float


def measure(bits: int, parties: int) -> dict[str, Any]:
    """All three ways, for a key of ``bits`` bits; parties: 3 to 8."""
    ways = {"shares": shares, "paillier": pairwise_paillier, "ring": packed_ring}
    costs = {name: asdict(way(bits, parties)) for name, way in ways.items()}
    return {"bits": bits, "parties": parties} | {
        name: {key: _rounded(value) for key, value in cost.items()} for name, cost in costs.items()
    }


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.4g}")


def shares(bits: int, parties: int) -> Cost:
    """Dealing, λ_i·P(i)·Q(i) and the sum of all, with the ceremony's own functions."""
    shape = candidate_shape(bits, parties)
    leaves = [secrets.token_bytes(32) for _ in range(_BATCH)]
    watch = Stopwatch()
    with watch("deal"):
        dealing = deal_factors(shape, True, leaves)
        points = {j: dealing.points(j) for j in range(1, parties + 1)}
    rows, prime = dealing.rows, dealing.rows.prime
    received = [points[1]] * shape.dealers
    with watch("multiply"):
        p_row, q_row = (rows.reduce(sum(side, mpz(0))) for side in zip(*received, strict=True))
        pairs = zip(rows.split(p_row), rows.split(q_row), strict=True)
        opened = rows.join(p * q % prime for p, q in pairs)
        rows.split(rows.reduce(sum([opened] * parties, mpz(0))))
    dealt_part = shape.dealers / parties  # of the candidates
    seconds = (watch.seconds["deal"] * dealt_part + watch.seconds["multiply"]) / _BATCH
    sent = rows.width * (2 * (parties - 1) * dealt_part + 1)
    return _cost(shape.degree, expected_candidates(bits, parties), seconds, sent)


def pairwise_paillier(bits: int, parties: int) -> Cost:
    """One encryption, then with each other party a product, a mask and a decryption."""
    shape = _all_dealers(bits, parties)
    needed = bits + _MASKING_BITS + 2
    public, private = paillier.generate_paillier_keypair(
        n_length=max(_PAILLIER_BITS, 1024 * math.ceil(needed / 1024))
    )
    dealing = deal_factors(shape, False, [secrets.token_bytes(32) for _ in range(_PRODUCTS)])
    watch = Stopwatch()
    for (p, q), mask in ((f, secrets.randbits(bits + _MASKING_BITS)) for f in dealing.factors):
        with watch("encrypt"):
            encrypted = public.encrypt(int(p))
        with watch("answer and decrypt"):
            product = encrypted * int(q) + public.encrypt(mask)  # the mask's encryption randomises
            opened = private.decrypt(product)
        if opened != p * q + mask:
            raise ArithmeticError("the product is wrong")
    others = (parties - 1) * watch.seconds["answer and decrypt"]
    seconds = (watch.seconds["encrypt"] + others) / _PRODUCTS
    ciphertext = 2 * public.n.bit_length() // 8
    expected = _expected(bits, parties)
    return _cost(parties - 1, expected, seconds, ciphertext * parties)


def packed_ring(bits: int, parties: int) -> Cost:
    """Whole ciphertexts, until one of them has held a good candidate."""
    ring, expected = RingShape(), _expected(bits, parties)
    packed = ring.candidates(bits)
    batches = 1 / -math.expm1(-packed / expected)
    seconds, sent = product_seconds(ring) / packed, product_bytes(ring) / packed
    return _cost(parties - 1, packed * batches, seconds, sent)


def _all_dealers(bits: int, parties: int) -> CandidateShape:
    """Candidates that ``parties`` dealers draw: those of 2·parties - 1 members."""
    return candidate_shape(bits, 2 * parties - 1)


def _expected(bits: int, parties: int) -> float:
    return expected_candidates(bits, 2 * parties - 1)


def _cost(colluders: int, candidates: float, seconds: float, sent: float) -> Cost:
    return Cost(colluders, candidates, seconds, sent, candidates * seconds, candidates * sent / 1e6)
