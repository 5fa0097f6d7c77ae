"""Whether a round's summed vector is the sum of its contributions, by fingerprints.

Contributors say the fingerprints of their own vectors in their locks. Where one is missing, the
vector itself is read; where they do not add up, all are. Then either somebody's fingerprint was
false, which changes nothing, or the aggregator's sum is: the round is void. Both depend on the
board and on the vectors alone, so that all hospitals find the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyshare.fingerprint import Fingerprint, sum_fingerprints
from keyshare.lattice import Lattice
from keyshare.one_time_key import read_words
from participant.vector_reader import VectorReader
from protocol.fingerprints import claims_of, fingerprint_key
from protocol.round import RoundView
from protocol.terms import Terms


@dataclass(frozen=True)
class SumVerdict:
    """``is_sum``: whether the sum is right; ``liars``: whose fingerprints are known to be false."""

    is_sum: bool
    liars: tuple[int, ...]


class SumCheck:
    """What is read and compared once a closed hybrid round's sum can be decrypted."""

    def __init__(self, view: RoundView, terms: Terms) -> None:
        chosen, closing = view.chosen(terms.federation), view.closed
        assert chosen is not None and closing is not None
        self.verdict: SumVerdict | None = None
        self._view, self._terms, self._key = view, terms, fingerprint_key(chosen)
        self._contributors = [c.member for c in closing.contributors]
        self._said = claims_of(view, terms.federation, terms.quorum).said
        self._summed = Fingerprint(self._key)
        self._read: dict[int, int] = {}  # fingerprints of vectors that were read here
        self._reader: tuple[int, VectorReader] | None = None

    def add(self, chunk: int, data: bytes, lattice: Lattice) -> None:
        """Take a chunk of the sum."""
        self._summed.add(chunk, read_words(data, lattice.sum_bytes))

    def compare(self) -> None:
        """Called when all chunks of the sum are taken: a verdict, or vectors are wanted."""
        known = {**self._said, **self._read}
        unknown = [m for m in self._contributors if m not in known]
        unread = [m for m in self._contributors if m not in self._read]
        is_sum = not unknown and sum_fingerprints(known.values()) == self._summed.value
        if is_sum or not unread:
            said = self._said
            liars = tuple(m for m, f in sorted(self._read.items()) if said.get(m, f) != f)
            self.verdict, self._reader = SumVerdict(is_sum, liars), None
            return
        member = (unknown or unread)[0]
        self._reader = member, VectorReader(self._view, member, self._terms, self._key)

    def wanted(self) -> list[tuple[bytes, int]]:
        """The next blobs of the vector that is being read, if any."""
        return self._reader[1].wanted() if self._reader else []

    def take(self, data: bytes) -> None:
        """Read the next blob of that vector."""
        assert self._reader is not None
        member, reader = self._reader
        reader.take(data)
        if reader.done:
            self._read[member] = reader.value
            self.compare()

    @property
    def reading(self) -> tuple[int, tuple[int, int]] | None:
        """Whose vector is being read, and its bytes that are, and all of them."""
        return (self._reader[0], self._reader[1].progress) if self._reader else None
