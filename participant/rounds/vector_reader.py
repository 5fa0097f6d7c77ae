"""Contributed vectors, read back for their checksums."""

from keyshare.hybrid import Checksum, ChecksumKey, read_words, write_checksum
from protocol.board import Study, suite_of
from protocol.rounds import RoundMember, RoundView, checksum_key

AHEAD = 4  # blobs of a vector asked for at a time


def vector_bytes(view: RoundView, study: Study) -> int:
    """The size of one contribution's vector; 0 if the round has none."""
    opening = view.terms_of_opening
    if opening is None or not study.is_training:
        return 0
    suite = suite_of(opening.suite, study)
    if suite.lattice is None:
        return 0
    count, size = suite.slot_count(opening.length), suite.lattice.contribution_chunk_bytes
    return sum(size(k, count) for k in range(suite.chunk_count(opening.length)))


class VectorReader:
    """The checksum of one member's contributed vector, from its blobs as they come."""

    def __init__(self, view: RoundView, member: int, study: Study, key: ChecksumKey) -> None:
        """Of a member that has contributed to a hybrid round."""
        body, opening = view.contributions[member].post.body, view.terms_of_opening
        assert opening is not None
        suite = suite_of(opening.suite, study)
        assert suite.lattice is not None
        self._names, self._lattice = body.vector, suite.lattice
        size, count = suite.lattice.contribution_chunk_bytes, suite.slot_count(opening.length)
        self._sizes = [size(k, count) for k in range(len(self._names))]
        self._checksum = Checksum(key)
        self._next = 0

    @property
    def done(self) -> bool:
        """Whether the whole vector is read."""
        return self._next == len(self._names)

    @property
    def value(self) -> int:
        """The checksum, when the vector is read."""
        return self._checksum.value

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes of the blobs that are read, and of all."""
        return sum(self._sizes[: self._next]), sum(self._sizes)

    def wanted(self) -> list[tuple[bytes, int]]:
        """Names and sizes of the next blobs."""
        ahead = slice(self._next, self._next + AHEAD)
        return list(zip(self._names[ahead], self._sizes[ahead], strict=True))

    def take(self, data: bytes) -> None:
        """Read the next blob."""
        self._checksum.add(self._next, read_words(data, self._lattice.contribution_bytes))
        self._next += 1


class OwnChecksum:
    """What a member's lock waits for: its own vector, read from its outbox or the aggregator."""

    def __init__(self, member: RoundMember) -> None:
        self._member = member
        self._reader: VectorReader | None = None

    def wanted(self) -> list[tuple[bytes, int]]:
        """Names and sizes of the next blobs; none while no lock waits for them."""
        member, view = self._member, self._member.view
        if not member.owes_checksum:
            return []
        if self._reader is None:
            chosen = view.chosen(member.terms.federation)
            assert chosen is not None
            key = checksum_key(chosen)
            self._reader = VectorReader(view, member.index, member.study, key)
        return self._reader.wanted()

    def take(self, data: bytes) -> None:
        """Read the next blob; the member has its checksum after the last."""
        assert self._reader is not None
        self._reader.take(data)
        if self._reader.done:
            self._member.checksum = write_checksum(self._reader.value)
