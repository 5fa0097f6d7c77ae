"""One Paillier ciphertext a weight, by phe; runs in an environment of its own: KEY_BITS RUNS.

A single secret key, not threshold. Fifty weights are measured: each costs as much as the next.
"""

import json
import random
import sys
from typing import Any

from phe import paillier, util

from benchmarks.timing import Stopwatch, medians, pin

_WEIGHTS = 50


def once(public: paillier.PaillierPublicKey, private: paillier.PaillierPrivateKey) -> Any:
    """Two contributions are encrypted, added and decrypted; seconds and bytes of one."""
    watch = Stopwatch()
    weights = [random.uniform(-1, 1) for _ in range(_WEIGHTS)]
    with watch("encrypt_seconds"):
        sent = json.dumps([_written(public.encrypt(weight)) for weight in weights])
    others = [public.encrypt(weight) for weight in weights]
    with watch("parse_seconds"):
        parsed = [
            paillier.EncryptedNumber(public, util.base64_to_int(number), exponent)
            for number, exponent in json.loads(sent)
        ]
    with watch("add_seconds"):
        total = [x + y for x, y in zip(parsed, others, strict=True)]
    with watch("decrypt_seconds"):
        opened = [private.decrypt(number) for number in total]
    if any(abs(x - 2 * y) > 1e-9 for x, y in zip(opened, weights, strict=True)):
        raise ArithmeticError("the sum is wrong")
    return watch.seconds, len(sent)


def _written(number: paillier.EncryptedNumber) -> tuple[str, int]:
    """Randomised when it is read, as every ciphertext of phe is before it leaves."""
    return util.int_to_base64(number.ciphertext()), number.exponent


def main(key_bits: int, runs: int) -> dict[str, Any]:
    """Per weight."""
    pin()
    if not util.HAVE_GMP:
        raise RuntimeError("phe has no gmpy2")
    public, private = paillier.generate_paillier_keypair(n_length=key_bits)
    found = [once(public, private) for _ in range(runs)]
    each = medians([seconds for seconds, _ in found])
    per_weight = {f"{part}_per_weight": value / _WEIGHTS for part, value in each.items()}
    return {"measured_weights": _WEIGHTS, **per_weight, "bytes_per_weight": found[0][1] / _WEIGHTS}


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:]))))
