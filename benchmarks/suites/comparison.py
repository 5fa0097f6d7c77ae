"""What a round's encryption costs under our suites, on one core.

Encryption is all from float64 weights to bytes ready to be sent: read twice (first to derive the
seed), with the names of the chunks and the proof. The key's table of powers is made once for a
key. A vector goes chunk by chunk, so that memory does not grow with it.
"""

import resource
import secrets
from typing import Any

from benchmarks.partials import checking_to_making
from benchmarks.suites.round import CLIP, EXAMPLES, Federation, key_costs, vector_cost
from benchmarks.timing import Stopwatch, median_seconds, medians, pin
from keyshare.hybrid import S1, Lattice, key_ciphertext_count
from keyshare.key import Encryptor, add, deal_shares, randomiser_base
from keyshare.randomness import Stream
from keyshare.rounds import Packing, Quantisation, Quantiser, largest_change, pack

RUNS = 5
_GROWTH = (10**4, 10**5, 10**6, 10**7, 10**8)
_ALWAYS = 10**7  # weights up to which growth is measured whatever is asked for
_REPEATED = 2 * 10**6  # weights; longer vectors are measured once
_PAILLIER_BITS = 16  # of a packed weight, as much as federated learning needs
_PAILLIER_CIPHERTEXTS = 10


def measure(weights: int, members: int, key_bits: int = 3072, runs: int = RUNS) -> dict[str, Any]:
    """The hybrid suite at ``weights`` weights and at powers of ten, and packed Paillier."""
    pin()
    joint, shares = deal_shares(key_bits, members, members // 2 + 1)

    def encryptor() -> Encryptor:
        return Encryptor(joint.n, randomiser_base(joint.n, b"benchmark"))

    table = median_seconds(encryptor, 3)
    federation = Federation(joint, shares, encryptor(), Lattice(S1, members))
    key = medians(key_costs(federation, runs))
    growth = [_row(federation, size, runs) for size in sizes(weights)]
    own = next(row for row in growth if row["weights"] == weights)
    return {
        "members": members,
        "quorum": joint.quorum,
        "key_bits": key_bits,
        "suite": S1.name,
        "weight_bits": federation.quantisation.bits,
        "key_ciphertexts": key_ciphertext_count(federation.lattice, key_bits),
        "table_seconds": round(table, 4),
        **key,
        "checking_to_making": checking_to_making(key),
        **own,
        "paillier": _paillier(federation, runs),
        "growth": growth,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def sizes(weights: int) -> list[int]:
    """Powers of ten from 10,000 to 10 million or ``weights``, and ``weights``, in order."""
    powers = [size for size in _GROWTH if size <= max(weights, _ALWAYS)]
    return sorted({weights, *powers})


def _row(federation: Federation, weights: int, runs: int) -> dict[str, Any]:
    runs = runs if weights <= _REPEATED else 1
    found = [vector_cost(federation, weights + 1) for _ in range(runs)]
    seconds = medians([cost.seconds for cost in found])
    sent = found[0].sent
    print(f"{weights} weights: {seconds['encrypt_seconds']:.3f} s to encrypt", flush=True)
    return {
        "weights": weights,
        "runs": runs,
        **seconds,
        "bytes": sent,
        "bytes_per_weight": round(sent / weights, 3),
        "encrypt_ns_per_weight": round(seconds["encrypt_seconds"] / weights * 1e9, 1),
    }


def _paillier(federation: Federation, runs: int) -> dict[str, Any]:
    """The suite for small models, without a lattice: full plaintexts, for each weight in them."""
    key, encryptor = federation.key, federation.encryptor
    packing = Packing.choose(key.n.bit_length(), _PAILLIER_BITS, key.n_members, head=1)
    count = packing.slots * _PAILLIER_CIPHERTEXTS - packing.reserve
    update = federation.entries(count)
    quantisation = Quantisation(CLIP, _PAILLIER_BITS, EXAMPLES)
    stream = _stream()
    others = [encryptor.encrypt(0, stream) for _ in range(_PAILLIER_CIPHERTEXTS)]

    def once() -> dict[str, float]:
        watch, stream = Stopwatch(), _stream()
        with watch("encrypt_seconds"):
            largest_change(update)
            quantiser = Quantiser(EXAMPLES, quantisation, secrets.token_bytes(32))
            plaintexts = pack(quantiser.slots(update), packing)
            sent = [encryptor.encrypt(m, stream) for m in plaintexts]
        with watch("add_seconds"):
            for pair in zip(sent, others, strict=True):
                add(pair, key.n)
        return watch.seconds

    each = medians([once() for _ in range(runs)])
    return {
        "weights_per_ciphertext": packing.slots,
        "weight_bits": _PAILLIER_BITS,
        **{f"{part}_per_weight": float(f"{t / count:.4g}") for part, t in each.items()},
        "bytes_per_weight": round(key.n.bit_length() / 4 / packing.slots, 3),
    }


def _stream() -> Stream:
    return Stream(secrets.token_bytes(32))
