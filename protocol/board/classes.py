"""Which members deal which candidates of a batch, and who computes them again.

The candidates of a batch stand in n classes. The dealers of class c are t+1 members beginning with
member c+1, the class's lead, in a circle; its checkers are the t+1 members that follow. In any t+1
members there is an honest one.
"""

from collections.abc import Sequence
from math import ceil

from keyshare.ceremony import CandidateShape, candidate_shape, expected_candidates
from protocol.terms import Terms

# A batch holds this part of the expected number of candidates: 2.5 batches in the mean.
BATCH_PART = 0.5


class CandidateLayout:
    """The order of candidates and members in every batch of a ceremony."""

    def __init__(self, terms: Terms) -> None:
        self.n_members = terms.n_members
        self.shape: CandidateShape = candidate_shape(terms.key_bits, terms.n_members)
        expected = expected_candidates(terms.key_bits, terms.n_members)
        self.class_size = ceil(BATCH_PART * expected / terms.n_members)

    @property
    def classes(self) -> range:
        """The numbers of the classes."""
        return range(self.n_members)

    @property
    def batch_size(self) -> int:
        """Candidates in a batch."""
        return self.class_size * self.n_members

    def class_of(self, candidate: int) -> int:
        """A candidate's class."""
        return candidate // self.class_size

    def candidates(self, number: int) -> range:
        """The candidates of a class."""
        return range(number * self.class_size, (number + 1) * self.class_size)

    def dealers(self, number: int) -> tuple[int, ...]:
        """The members that deal a class; the first one leads."""
        return self._circle(number, self.shape.dealers)

    def checkers(self, number: int) -> tuple[int, ...]:
        """The members that compute the biprimality tests of a class again."""
        return self._circle(number + self.shape.dealers, self.shape.dealers)

    def dealt_by(self, member: int) -> list[int]:
        """The classes that a member deals, in order."""
        return [c for c in self.classes if member in self.dealers(c)]

    def leaves_of(self, member: int) -> int:
        """How many candidates of a batch a member deals."""
        return len(self.dealt_by(member)) * self.class_size

    def chosen(self, candidates: Sequence[int], member: int) -> list[int]:
        """Those of the given candidates that a member deals."""
        dealt = set(self.dealt_by(member))
        return [k for k in candidates if self.class_of(k) in dealt]

    def _circle(self, start: int, count: int) -> tuple[int, ...]:
        return tuple((start + d) % self.n_members + 1 for d in range(count))
