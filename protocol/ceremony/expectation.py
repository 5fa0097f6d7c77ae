"""What to expect of a ceremony. Candidates are tried until one is good, so how many are tried is
geometric: having tried many says nothing about how many are still to be tried.

A batch is tried as a whole, and counts only when it has been.
"""

import math
from functools import lru_cache

from keyshare.ceremony import expected_candidates
from protocol.board import CandidateLayout
from protocol.ceremony import candidate_steps
from protocol.terms import Terms

_SEARCH = frozenset(kind.name for kind in candidate_steps.STEPS)
_BEFORE_SEARCH = frozenset({"join"})


def is_searching(step: str) -> bool:
    """Whether no good candidate has been found yet at a step of this name."""
    return step in _SEARCH or step in _BEFORE_SEARCH


@lru_cache(maxsize=16)
def layout_of(terms: Terms) -> CandidateLayout:
    """The terms' layout; made once, since it counts primes."""
    return CandidateLayout(terms)


def share_done(candidates: int, terms: Terms) -> float:
    """The share of all ceremonies that have found their key among so many candidates.

    1 - exp(-candidates/expected)
    """
    return 0.0 - math.expm1(-candidates / expected_candidates(terms.key_bits, terms.n_members))


def mean_candidates(terms: Terms) -> float:
    """Candidates that a ceremony has still to try in the mean, at the beginning of any batch.

    B / (1 - exp(-B/expected)) for batches of B: somewhat more than ``expected``, since the rest of
    the winner's batch is tried with it.
    """
    size = layout_of(terms).batch_size
    return size / share_done(size, terms)


def batches_until(share: float, terms: Terms) -> int:
    """The number of batches in which at least this share of all ceremonies, below 1, are done."""
    per_batch = layout_of(terms).batch_size / expected_candidates(terms.key_bits, terms.n_members)
    return math.ceil(-math.log1p(-share) / per_batch)
