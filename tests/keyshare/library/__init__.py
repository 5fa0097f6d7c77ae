"""One dealt key for the tests of the door, with the factors that its dealer drew."""

from functools import lru_cache
from unittest.mock import patch

from gmpy2 import mpz

from keyshare import KeyShare, ThresholdKey, deal
from keyshare.key import dealer
from tests.stage.toy import seed_of

BITS = 256


@lru_cache
def dealt(members: int = 5, quorum: int = 3) -> tuple[ThresholdKey, tuple[KeyShare, ...], mpz, mpz]:
    """A key of 256 bits, its shares, and p and q: the same every time."""
    factors = []
    draw = dealer.blum_prime

    def noted(*arguments):
        factors.append(draw(*arguments))
        return factors[-1]

    seed = seed_of("dealt", members, quorum)
    with (
        patch("keyshare.key.dealer.blum_prime", noted),
        patch("secrets.token_bytes", lambda _: seed),
    ):
        key, shares = deal(BITS, members, quorum, allow_small_key=True)
    p, q = factors
    return key, shares, p, q


KEY, SHARES, _, _ = dealt()
