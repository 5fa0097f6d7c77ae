"""Vectors go once nobody needs them: marked first, for good, then deleted a few at a time.

A round that is marked stays so, whatever is said later: a hospital that approves late cannot ask
for what is gone. What is contributed to such a round after that goes as well.
"""

from aggregator.rounds.stated import StatedModels, Waited
from aggregator.store import BlobStore

ALL = 1 << 40  # before which round they go, if all of a study's go
_AT_ONCE = 64  # blobs


class Pruning:
    """Deletes what ``stated`` does not keep."""

    def __init__(self, stated: StatedModels, blobs: BlobStore) -> None:
        self._stated, self._blobs = stated, blobs

    def step(self, waited: Waited) -> bool:
        """Mark what is due to go, and delete a little of it; whether there is more to do."""
        names = self._stated.to_look_at()
        past = {n for n in self._stated.over if self._before(n) < ALL} - names
        for name in sorted(names | past):
            before = self._before(name)
            first = self._stated.kept(name, before).first if name in names else before
            if self._stated.is_past(name, waited):
                first = ALL
            if first > before:
                self._blobs.mark_pruned(name, first)
        return self._blobs.prune(_AT_ONCE)

    def _before(self, name: str) -> int:
        return self._blobs.pruned_before(name)
