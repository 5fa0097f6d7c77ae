"""Whether a round's summed vector is the sum of its contributions, by checksums.

Contributors say the checksums of their own vectors in their locks. Where one is missing, the
vector itself is read; where they do not add up, all are. The verdict depends on the board and on
the vectors alone, so that all hospitals find the same.
"""

from keyshare.hybrid import Checksum, Lattice, read_words
from participant.rounds.vector_reader import VectorReader
from protocol.board import Study
from protocol.rounds import RoundView, SumVerdict, checksum_key, claims_of, judge_sum


class SumCheck:
    """What is read and compared once a closed hybrid round's sum can be decrypted."""

    def __init__(self, view: RoundView, study: Study) -> None:
        terms = study.terms
        chosen = view.chosen(terms.federation)
        assert chosen is not None
        self.verdict: SumVerdict | None = None
        self._view, self._study, self._key = view, study, checksum_key(chosen)
        self._claims = claims_of(view, terms.federation, terms.quorum)
        self._summed = Checksum(self._key)
        self._read: dict[int, int] = {}  # checksums of vectors that were read here
        self._reader: tuple[int, VectorReader] | None = None

    def add(self, chunk: int, data: bytes, lattice: Lattice) -> None:
        """Take a chunk of the sum."""
        self._summed.add(chunk, read_words(data, lattice.sum_bytes))

    def compare(self) -> None:
        """Called when all chunks of the sum are taken: a verdict, or a vector is wanted."""
        found = judge_sum(self._claims, self._read, self._summed.value)
        if isinstance(found, SumVerdict):
            self.verdict, self._reader = found, None
        else:
            self._reader = found, VectorReader(self._view, found, self._study, self._key)

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
