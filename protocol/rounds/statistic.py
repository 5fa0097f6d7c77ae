"""A statistic as it is opened: what its plan fixes, and how its sums read."""

from collections.abc import Sequence
from decimal import Decimal

from gmpy2 import mpz

from keyshare.rounds import decode
from protocol.board import Study
from protocol.messages import Opening

NO_MODEL = bytes(32)


def opening_for(study: Study, epoch: bytes) -> Opening:
    """The opening of a statistic, and no other, under an epoch with this digest."""
    return Opening(study.digest, epoch, NO_MODEL, study.statistic.length)


def decode_sums(plaintexts: Sequence[mpz], decimals: int, n: mpz) -> list[Decimal]:
    """The sums of a statistic, exactly. Raises CorruptSum on one that honest numbers never give."""
    return [decode(plaintext, decimals, n) for plaintext in plaintexts]
