"""A due round whose sums are of ciphertexts alone: judged, added and closed in small steps.

Those are statistics, and training under packed Paillier. What one member sends can take a minute to
judge, so members' frames are answered in between. Nothing of it is on disk: after a crash
everything is judged again, with the same result.
"""

from aggregator.rounds.omission import TOO_LATE, TOO_NEAR
from aggregator.rounds.sums import OpenRound, sum_in_steps
from keyshare.steps import Steps
from protocol.messages import Closing, Contributor, attach

Members = frozenset[int]


class PackedRound(OpenRound):
    """One round that is due; a new object begins anew.

    closing: once the sum is made and durable; it is to be said at once. Who contributes after the
    set was chosen is not in it.
    """

    closing: Closing | None = None
    _work: Steps[None] | None = None
    _tried: tuple[Members, Members] | None = None  # who came and was fit when too few were
    _chosen = Members()  # whose sum is being made, or is made

    @property
    def is_waiting(self) -> bool:
        """Whether there is anything to do: not while too few can be added and nobody comes."""
        return self._tried != self._present

    @property
    def is_at_work(self) -> bool:
        """Whether a step was taken that others are to follow."""
        return self._work is not None

    @property
    def _present(self) -> tuple[Members, Members]:
        return Members(self._view.contributions), self.fit

    def step(self) -> bool:
        """Do a small part; whether there is more to do.

        If not, there is a closing, or too few can be added and others have to contribute.
        """
        if not self._chosen <= self.fit:  # one of them has withdrawn since
            self._work, self.closing, self._chosen = None, None, Members()
        if self.closing:
            return False
        if self._work is None:
            self.is_decided, self._work = False, self._advance()
        try:
            next(self._work)
        except StopIteration:
            self._work = None
            return False
        except BaseException:
            self._work = None  # what is judged is not judged again
            raise
        return True

    def _advance(self) -> Steps[None]:
        while unjudged := self._unjudged():
            yield from self._judge(unjudged[0])
        members = self._history.closable(self._view, self.fit)
        self._beside = dict.fromkeys(self.fit - members, TOO_NEAR)
        if len(members) < self._study.least_contributors:
            self._tried = self._present
            return
        self.is_decided, self._chosen = True, members
        yield from self._add(members)

    def _add(self, members: Members) -> Steps[None]:
        """Make the sum, and the closing that tells of it."""
        posts = {member: self._view.contributions[member] for member in sorted(members)}
        payloads = (self._blobs.payload(p.post.body.ciphertexts) for p in posts.values())
        n = self._key.encryptor.n
        payload = yield from sum_in_steps(payloads, self._opened.post.body, self._study, n)
        yield
        total = attach(payload)
        if total.is_blob:
            yield
            self._blobs.put(payload)
        late = [posted.post.sender for posted in self._unjudged()]
        self._beside |= dict.fromkeys(late, TOO_LATE)
        contributors = tuple(Contributor(m, posted.digest) for m, posted in posts.items())
        self.closing = Closing(contributors, total)
