"""An open round under a hybrid suite: judged, added and closed in small steps.

Contributions are judged once each, in the order of the board, so that whoever repeats what another
has posted is the one left out. What is fit is added as it comes. When the round is due, the fit
contributions are chosen for good; they include all that any chunk's sum includes, since a vector
cannot be taken out of a sum again.
"""

from dataclasses import dataclass
from pathlib import Path

from aggregator.rounds.omission import TOO_LATE, TOO_NEAR, Reason, Unfit
from aggregator.rounds.summation import Summation
from aggregator.rounds.sums import OpenRound
from aggregator.rounds.vector_sum import Vector, VectorSum
from aggregator.store import BlobStore
from keyshare.hybrid import Lattice
from keyshare.steps import finish
from protocol.board import Posted, StudyState, suite_of
from protocol.key import Epoch
from protocol.messages import Closing, Contribution, Contributor, attach
from protocol.rounds import Encrypted, OpenedSets, RoundView, add_encrypted, write_ciphertexts

Members = frozenset[int]


@dataclass(frozen=True)
class _Summand:
    """A contribution that can be added."""

    vector: Vector
    ciphertexts: Encrypted


class HybridRound(OpenRound):
    """One open round; a new object on the same folder goes on where the last one stopped."""

    def __init__(
        self,
        folder: Path,
        view: RoundView,
        state: StudyState,
        epoch: Epoch,
        blobs: BlobStore,
        history: OpenedSets,
        summation: Summation,
    ) -> None:
        super().__init__(view, state, epoch, blobs, history)
        opening = self._opened.post.body
        suite = suite_of(opening.suite, state.study)
        assert suite.lattice is not None
        self._lattice: Lattice = suite.lattice
        self._slot_count = suite.slot_count(opening.length)
        self._summation = summation
        self._sum = VectorSum(folder, view.session, suite.lattice, self._slot_count)
        self._summands: dict[int, _Summand] = {}  # of all who were judged fit
        self._chosen = Members()
        self._chunk_owner: dict[bytes, int] = {}
        self._names: list[bytes] = []  # of the sum's chunks that are blobs

    @property
    def chunks(self) -> int:
        """Chunks of the sum."""
        return self._sum.chunk_count

    @property
    def chunks_summed(self) -> int:
        """Chunks that include all contributions that are fit so far."""
        return self._sum.summed(vectors) if (vectors := self._vectors) else 0

    def step(self, is_due: bool) -> bool:
        """Judge one contribution, add one chunk or keep one; whether there was anything to do."""
        if self.is_decided and not self._chosen <= self.fit:  # one of them has withdrawn since
            self.is_decided, self._names = False, []
        if not self.is_decided:
            if unjudged := self._unjudged():
                self._take(unjudged[0])
                return True
            self.is_decided = is_due and self._choose()
            if not self.is_decided and self._history.binds(self._view):
                return False  # who is chosen may not be all who are fit: nothing is added yet
        vectors = self._vectors
        if vectors and self._sum.summed(vectors) < self.chunks:
            return self._summation.advance(self._sum, vectors, self._blobs)
        if not self.is_decided or len(self._names) == self.chunks:
            return False
        data = self._sum.read(len(self._names), vectors)
        if data is not None:
            self._names.append(self._blobs.put(data))
        return True

    def closing(self) -> Closing | None:
        """The round's closing when the whole sum is kept, its blobs durable."""
        if not self.is_decided or len(self._names) < self.chunks:
            return None
        if not self._chosen <= self.fit:
            return None  # one of them has withdrawn: others are chosen next
        chosen, n = sorted(self._chosen), self._key.encryptor.n
        ciphertexts = [self._summands[member].ciphertexts for member in chosen]
        payload = write_ciphertexts(add_encrypted(ciphertexts, n), n)
        total = attach(payload)
        if total.is_blob:
            self._blobs.put(payload)
        for posted in self._unjudged():
            self._beside[posted.post.sender] = TOO_LATE
        contributors = tuple(Contributor(m, self._summands[m].vector.post) for m in chosen)
        return Closing(contributors, total, tuple(self._names))

    def remove(self) -> None:
        """Delete the running sum."""
        self._sum.remove()

    def _choose(self) -> bool:
        """Leave out of the fit whom hospitals would not have in this sum; whether enough remain."""
        members = self._history.closable(self._view, self.fit)
        if len(members) < self._study.least_contributors:
            return False
        self._beside = dict.fromkeys(self.fit - members, TOO_NEAR)
        self._chosen = members
        return True

    @property
    def _vectors(self) -> dict[int, Vector]:
        """What is to be in the sum, by whose it is: of all who are fit, until some are chosen."""
        members = self._chosen if self.is_decided else self.fit
        return {member: self._summands[member].vector for member in sorted(members)}

    def _take(self, posted: Posted[Contribution]) -> None:
        member, names = posted.post.sender, posted.post.body.vector
        if ciphertexts := finish(self._judge(posted)):
            # Only what is fit has owners: nobody keeps another out with what is itself left out.
            self._chunk_owner.update(dict.fromkeys(names, member))
            self._summands[member] = _Summand(Vector(posted.digest, names), ciphertexts)

    def _check_vector(self, body: Contribution, member: int) -> None:
        if len(body.vector) != self.chunks:
            detail = f"it has {len(body.vector)} chunks instead of {self.chunks}"
            raise Unfit(Reason("vector", detail))
        if len(set(body.vector)) < len(body.vector):
            raise Unfit(Reason("repeated", "a chunk occurs twice in it", member))
        for chunk, name in enumerate(body.vector):
            size = self._lattice.contribution_chunk_bytes(chunk, self._slot_count)
            if (found := self._blobs.size(name)) != size:
                detail = f"chunk {chunk} has {found} bytes instead of {size}"
                raise Unfit(Reason("vector", detail))
            if (owner := self._chunk_owner.get(name)) is not None:
                detail = f"chunk {chunk} repeats one of {self._terms.name_of(owner)}'s"
                raise Unfit(Reason("repeated", detail, owner))
