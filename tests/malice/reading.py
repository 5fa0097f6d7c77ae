"""The oracle's word put to the test: what it calls open is decrypted, as the adversary would."""

from gmpy2 import mpz

from keyshare.key.partial_decryption import combine, partial_decryption
from tests.malice.aggregator import Aggregator


def plaintext(a: Aggregator, ciphertext: mpz) -> mpz:
    """What a ciphertext holds, by all shares together."""
    shares, key = a.toy.shares, a.toy.key
    parts = {i: partial_decryption(ciphertext, share, key) for i, share in shares.items()}
    return combine(parts, key)


def check_reading(a: Aggregator, chosen: bytes) -> None:
    """The opened sum is that of the plaintexts of the set's contributions."""
    closed = a.knowledge.closed[chosen]
    found = a.knowledge.decrypt(chosen)
    digests = closed.contributions
    expected = [
        sum((plaintext(a, a.contributed[d].encrypted.values[k]) for d in digests), mpz(0))
        % a.toy.key.n
        for k in range(len(found))
    ]
    assert found == expected, "the oracle is wrong about what is open"
