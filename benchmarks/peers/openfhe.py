"""Threshold CKKS by OpenFHE; runs in the peer's own environment: MEMBERS RUNS WEIGHTS WEIGHTS …

Every member has a part of the secret key and all of them decrypt: n of n, while we need a quorum.
No depth, 128 bits of security by OpenFHE's own check, a scale of 2^40; the rest are its defaults.
Python 3.10 must be able to run this file.
"""

import json
import sys
from typing import Any

import numpy as np
import openfhe as fhe

from benchmarks.timing import Stopwatch, medians, pin

_TOLERANCE = 1e-4
_REPEATED = 100_000  # weights; longer vectors are measured once, as every member decrypts them


class Federation:
    """A context, and the members' parts of one key."""

    def __init__(self, members: int) -> None:
        parameters = fhe.CCParamsCKKSRNS()
        parameters.SetMultiplicativeDepth(0)
        parameters.SetScalingModSize(40)
        parameters.SetFirstModSize(60)
        parameters.SetSecurityLevel(fhe.SecurityLevel.HEStd_128_classic)
        self.context = fhe.GenCryptoContext(parameters)
        for feature in ("PKE", "LEVELEDSHE", "MULTIPARTY"):
            self.context.Enable(getattr(fhe.PKESchemeFeature, feature))
        pairs = [self.context.KeyGen()]
        while len(pairs) < members:
            pairs.append(self.context.MultipartyKeyGen(pairs[-1].publicKey))
        self.public = pairs[-1].publicKey
        self.secrets = [pair.secretKey for pair in pairs]
        self.slots = self.context.GetRingDimension() // 2

    def encrypt(self, values: np.ndarray) -> Any:
        """A vector of up to ``slots`` values."""
        plaintext = self.context.MakeCKKSPackedPlaintext(values)
        return self.context.Encrypt(self.public, plaintext)


def once(federation: Federation, weights: int) -> tuple[dict[str, float], int]:
    """Two contributions are added and decrypted, vector by vector; seconds and bytes of one."""
    watch, size, context = Stopwatch(), 0, federation.context
    values = np.random.default_rng(0).uniform(-1, 1, federation.slots)
    for start in range(0, weights, federation.slots):
        part = values[: weights - start]
        with watch("encrypt_seconds"):
            data = fhe.Serialize(federation.encrypt(part), fhe.BINARY)
        size += len(data)
        other = federation.encrypt(part)
        with watch("parse_seconds"):
            total = fhe.DeserializeCiphertextString(data, fhe.BINARY)
        with watch("add_seconds"):
            context.EvalAddInPlace(total, other)
        with watch("partial_seconds"):
            lead = context.MultipartyDecryptLead([total], federation.secrets[0])
        others = [context.MultipartyDecryptMain([total], s) for s in federation.secrets[1:]]
        with watch("combine_seconds"):
            fused = context.MultipartyDecryptFusion([p[0] for p in (lead, *others)])
            fused.SetLength(len(part))
            opened = fused.GetRealPackedValue()
        if np.abs(np.asarray(opened)[: len(part)] - 2 * part).max() > _TOLERANCE:
            raise ArithmeticError("the sum is wrong")
    return watch.seconds, size


def main(members: int, runs: int, sizes: list[int]) -> dict[str, Any]:
    """Every size, in the order given."""
    pin()
    federation = Federation(members)
    result: dict[str, Any] = {"ring_dimension": 2 * federation.slots, "growth": []}
    for weights in sizes:
        often = runs if weights <= _REPEATED else 1
        found = [once(federation, weights) for _ in range(often)]
        each = medians([seconds for seconds, _ in found])
        result["growth"].append({"weights": weights, **each, "bytes": found[0][1]})
    return result


if __name__ == "__main__":
    n_members, n_runs, *lengths = map(int, sys.argv[1:])
    print(json.dumps(main(n_members, n_runs, lengths)))
