"""CKKS by TenSEAL; runs in the peer's own environment: MEMBERS RUNS WEIGHTS WEIGHTS …

One secret key, which every site that decrypts has: there is no threshold. Degree 8192 and a
modulus of 140 bits, a scale of 2^40. Who encrypts has a context with the public key alone.
"""

import json
import random
import sys
import time
from typing import Any

import tenseal as ts

from benchmarks.timing import Stopwatch, medians, pin

_SLOTS = 4096
_TOLERANCE = 1e-4


def contexts() -> tuple[ts.Context, ts.Context]:
    """One with the secret key, one with the public key alone."""
    secret = ts.context(
        ts.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=[60, 40, 40], n_threads=1
    )
    secret.global_scale = 2**40
    return secret, ts.context_from(secret.serialize(save_secret_key=False), n_threads=1)


def once(secret: ts.Context, public: ts.Context, weights: int) -> tuple[dict[str, float], int]:
    """Two contributions are added and decrypted, vector by vector; seconds and bytes of one."""
    watch, size = Stopwatch(), 0
    values = [random.uniform(-1, 1) for _ in range(_SLOTS)]
    other = ts.ckks_vector(public, values)
    for start in range(0, weights, _SLOTS):
        part = values[: min(_SLOTS, weights - start)]
        with watch("encrypt_seconds"):
            data = ts.ckks_vector(public, part).serialize()
        size += len(data)
        with watch("parse_seconds"):
            total = ts.ckks_vector_from(public, data)
        if len(part) < _SLOTS:
            other = ts.ckks_vector(public, part)
        with watch("add_seconds"):
            total += other
        received = ts.ckks_vector_from(secret, total.serialize())
        with watch("decrypt_seconds"):
            opened = received.decrypt()
        if any(abs(x - 2 * y) > _TOLERANCE for x, y in zip(opened, part, strict=True)):
            raise ArithmeticError("the sum is wrong")
    return watch.seconds, size


def main(members: int, runs: int, sizes: list[int]) -> dict[str, Any]:
    """``members`` has no influence: one contribution is encrypted, and one added."""
    pin()
    began = time.process_time()
    secret, public = contexts()
    result: dict[str, Any] = {"key_seconds": round(time.process_time() - began, 4), "growth": []}
    for weights in sizes:
        found = [once(secret, public, weights) for _ in range(runs)]
        each = medians([seconds for seconds, _ in found])
        size = found[0][1]
        result["growth"].append({"weights": weights, **each, "bytes": size})
    return result


if __name__ == "__main__":
    n_members, n_runs, *lengths = map(int, sys.argv[1:])
    print(json.dumps(main(n_members, n_runs, lengths)))
