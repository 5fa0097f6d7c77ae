"""The checksums of a hybrid round's vectors: who owes one, and what the locks say.

The key is hashed from the chosen set. That names the sum's blobs and the contributors' posts, which
name theirs: all vectors are fixed before anybody can know it. A checksum tells nothing that the
vector does not tell, and everybody may read that.

What a contributor says counts if its lock stands on the board before as many partial decryptions as
a quorum has. Nobody knows the sum of the keys before, and all hospitals see the same order: they
take the same contributors at their word, whenever they come to compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from keyshare.hybrid import ChecksumKey, read_checksum, sum_checksums
from protocol.encoding import digest
from protocol.rounds.view import RoundView


def checksum_key(chosen: bytes) -> ChecksumKey:
    """The key of a chosen set (``RoundView.chosen``)."""
    return ChecksumKey(digest("quorate/fingerprint key", chosen))


def counts(view: RoundView, member: int, quorum: int) -> bool:
    """Whether a checksum in the lock that this member would post now would count.

    Only contributors to the sum of a hybrid round have one.
    """
    closing = view.closed
    if closing is None or not closing.vector:
        return False
    return member in view.contributors and len(view.partials) < quorum


@dataclass(frozen=True)
class Claims:
    """What the contributors to a closed hybrid round say of their vectors.

    said: member -> checksum in [0, P); missing: the others, in order.
    """

    said: Mapping[int, int]
    missing: tuple[int, ...]

    @property
    def total(self) -> int:
        """The sum of what is said: the sum's own checksum, if nothing is missing or false."""
        return sum_checksums(self.said.values())


def claims_of(view: RoundView, federation: bytes, quorum: int) -> Claims:
    """The checksums in the contributors' locks, of those that count."""
    contributors, chosen = view.contributors, view.chosen(federation)
    positions = sorted(posted.position for posted in view.partials.values())
    end = positions[quorum - 1] if len(positions) >= quorum else None
    said = {}
    for member in contributors:
        posted = view.lock_posts.get(member)
        if posted is None or (end is not None and posted.position > end):
            continue
        lock = posted.post.body
        checksum = read_checksum(lock.checksum)
        if lock.chosen == chosen and checksum is not None:
            said[member] = checksum
    return Claims(said, tuple(m for m in contributors if m not in said))


@dataclass(frozen=True)
class SumVerdict:
    """``is_sum``: whether the sum is right; ``liars``: whose checksums are known to be false."""

    is_sum: bool
    liars: tuple[int, ...]


def judge_sum(claims: Claims, read: Mapping[int, int], summed: int) -> SumVerdict | int:
    """Whether a summed vector is that of its contributions, or whose vector to read to know it.

    read: member -> checksum of its vector as it is; summed: that of the sum. What was read goes
    before what was said. Without a contradiction only missing vectors are read; else all are, and
    then either checksums were false, which changes nothing, or the sum is.
    """
    known = {**claims.said, **read}
    contributors = sorted({*claims.said, *claims.missing})
    unread = [m for m in contributors if m not in read]
    unknown = [m for m in unread if m not in known]
    is_sum = not unknown and sum_checksums(known.values()) == summed
    if is_sum or not unread:
        liars = tuple(m for m, f in sorted(read.items()) if claims.said.get(m, f) != f)
        return SumVerdict(is_sum, liars)
    return (unknown or unread)[0]
