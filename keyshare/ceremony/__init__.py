"""Making a joint key: the factors are dealt, and nobody ever knows them.

The members deal shares of two factors, multiply them to a modulus N that all see, test in common
whether N has two prime factors, and share what decrypts. What is said about it, and in which order,
is ``protocol.ceremony``.
"""

from keyshare.ceremony import biprimality, feldman
from keyshare.ceremony.biprimality import (
    ROUNDS,
    accepts,
    exponent,
    round_base,
    screen_witness,
    screen_witnesses_fit,
    witness,
)
from keyshare.ceremony.feldman import commitment_at
from keyshare.ceremony.lanes import Lanes
from keyshare.ceremony.modulus import (
    LEAST_KEY_BITS,
    MAX_BITS,
    MAX_MEMBERS,
    MIN_BITS,
    CandidateShape,
    Dealing,
    candidate_shape,
    deal_factors,
    expected_candidates,
    expected_tests,
    mersenne_exponent,
    survivors,
)
from keyshare.ceremony.shamir import (
    checked,
    evaluate,
    integer_lagrange,
    integer_polynomial,
    lagrange,
)
