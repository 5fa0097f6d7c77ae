"""A threshold Paillier key: a public key whose ciphertexts only a quorum of members decrypts.

The door for programs: what is named here keeps its meaning, and docs/library.md shows it at work.
Behind it lies the mathematics of the whole project, in chapters: pure functions, no input or
output, no clock. They may change.
"""

from keyshare.errors import (
    BadCiphertext,
    BadIndices,
    BadKeyShare,
    BadParameters,
    BadPart,
    BadPlaintext,
    KeyshareError,
    TooFewPartials,
    UnfitNumber,
    WrongKey,
)
from keyshare.library import (
    Ciphertext,
    KeyShare,
    PartialDecryption,
    PublicKey,
    ThresholdKey,
    combine,
    deal,
)

__all__ = [
    "BadCiphertext",
    "BadIndices",
    "BadKeyShare",
    "BadParameters",
    "BadPart",
    "BadPlaintext",
    "Ciphertext",
    "KeyShare",
    "KeyshareError",
    "PartialDecryption",
    "PublicKey",
    "ThresholdKey",
    "TooFewPartials",
    "UnfitNumber",
    "WrongKey",
    "combine",
    "deal",
]
