"""How large what a member says can be at most, by the terms, or by a round's study and opening.

Every bound is above what an honest member sends, by a margin that covers how it is encoded.
"""

from keyshare.ceremony.lanes import lanes
from protocol.board.classes import CandidateLayout
from protocol.board.study import Study
from protocol.board.suite import suite_of
from protocol.encoding import encode
from protocol.messages import MAX_BLOB_BYTES, MAX_SEALING_KEY_BYTES, Opening
from protocol.terms import Terms

_HEADER_BYTES = 16 << 10  # lengths, the long numbers of proofs, what seals add
_PROOF_NUMBERS = 8
_FEW_BYTES = 1 << 10  # lengths alone
MAX_CHECK_BYTES = 64 << 10
_SEALED_BYTES = 4 << 10  # what sealing adds, and a pairwise key
_WINNER_NUMBERS = 96  # of a dealer beside its polynomials: the tests' values and proofs
_POINT_FACTOR = 4  # a point of a polynomial is below so many times the key's length


def _number_bytes(terms: Terms) -> int:
    """Bytes of a number below N²."""
    return terms.key_bits // 4 + 1


def expected_count(opening: Opening, study: Study) -> int:
    """Ciphertexts in a contribution to a round: by its suite, or one for each number."""
    if not study.is_training:
        return study.statistic.length
    return suite_of(opening.suite, study).ciphertext_count(opening.length)


def list_bytes(opening: Opening, study: Study) -> int:
    """The largest list of ciphertexts in a contribution to the round, or of parts of its sum."""
    return statistic_bytes(expected_count(opening, study), study.terms)


def statistic_bytes(length: int, terms: Terms) -> int:
    """The same for a statistic of so many numbers."""
    numbers = (length + _PROOF_NUMBERS) * _number_bytes(terms)
    return min(MAX_BLOB_BYTES, numbers + _HEADER_BYTES)


def chunk_count(opening: Opening, study: Study) -> int:
    """Chunks of the vector that a contribution to the round has."""
    return suite_of(opening.suite, study).chunk_count(opening.length) if study.is_training else 0


def chunk_bytes(opening: Opening, study: Study) -> int:
    """The largest chunk of such a vector."""
    suite = suite_of(opening.suite, study) if study.is_training else None
    if suite is None or suite.lattice is None:
        return 0
    return suite.lattice.contribution_chunk_bytes(0, suite.slot_count(opening.length))


def round_bytes(opening: Opening, study: Study) -> int:
    """All that a member uploads for one post of the round."""
    return list_bytes(opening, study) + chunk_count(opening, study) * chunk_bytes(opening, study)


def batch_bytes(terms: Terms) -> int:
    """All that a member attaches in one batch of a ceremony, but for what is about a candidate.

    Shares for the others, shares of N, the screen's values, the leaves of the batch before; and
    once, what follows the winner.
    """
    layout = CandidateLayout(terms)
    dealers, n = layout.shape.dealers, terms.n_members
    row = lanes(layout.shape.field_exponent, layout.class_size).size
    dealt = dealers * layout.class_size
    deals = (n - 1) * (2 * dealers * row + _SEALED_BYTES)
    opened = n * row + dealt * (terms.key_bits // 8 + 1) + 2 * 64 * dealt
    return deals + opened + 16 * _number_bytes(terms) + 8 * _HEADER_BYTES


def candidate_bytes(terms: Terms) -> int:
    """All that a member attaches about one candidate that passed the screen."""
    n, number = terms.n_members, _number_bytes(terms)
    points = n * (3 * _POINT_FACTOR * number + _SEALED_BYTES)
    return points + (_WINNER_NUMBERS + 4 * n) * number + 2 * _HEADER_BYTES


def certificate_bytes(terms: Terms) -> int:
    """The largest public key that a certificate has: modulus, θ, base, and two keys a member."""
    numbers = (4 + terms.n_members) * _number_bytes(terms)
    return numbers + terms.n_members * MAX_SEALING_KEY_BYTES + _FEW_BYTES


def labels_bytes(labels: tuple[str, ...]) -> int:
    """How much of a post a statistic's labels take."""
    return len(encode(labels))
