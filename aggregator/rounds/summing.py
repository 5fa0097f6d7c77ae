"""Open rounds on their way to a sum: judged, added and closed, a little at each tick.

Members' frames are answered in between.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aggregator.rounds.hybrid import HybridRound
from aggregator.rounds.omission import Reason
from aggregator.rounds.packed import PackedRound
from aggregator.rounds.schedule import Rounds, is_hybrid
from aggregator.rounds.summation import Summation
from aggregator.store import BlobStore
from protocol.board import StudyState
from protocol.key import Epoch
from protocol.messages import Body
from protocol.rounds import OpenedSets, RoundView

# At one tick, for all rounds of a kind together.
_TICK_STEPS = 8
_TICK_SECONDS = 0.2

_CLASS_BITS = 4  # rounds that wait for each other differ in length by a factor of 2^4 at most


class Summing:
    """The sums that are being made.

    left_out: why contributions are in no sum, by session and member, as far as it was found here.
    held_back: whom rounds wait for that have enough contributions, and no sum of them to open.
    """

    def __init__(
        self,
        rounds: Rounds,
        epochs: Mapping[bytes, Epoch],
        blobs: BlobStore,
        folder: Path,
        say: Callable[[str, Body], None],
        summation: Summation,
    ) -> None:
        """epochs: by digest; say: put the aggregator's word on the board, in a session.

        summation: where vectors are added.
        """
        self._summation = summation
        self._rounds, self._epochs = rounds, epochs
        self._blobs, self._folder, self._say = blobs, folder, say
        self.left_out: dict[str, dict[int, Reason]] = {}
        self.held_back: dict[str, frozenset[int]] = {}
        self._packed: dict[str, PackedRound] = {}  # those that are due
        self._hybrid: dict[str, HybridRound] = {}

    @property
    def chunks(self) -> dict[str, tuple[int, int]]:
        """Of each hybrid round that is being summed: the chunks that are done, and of how many."""
        return {s: (found.chunks_summed, found.chunks) for s, found in self._hybrid.items()}

    @property
    def waited_for(self) -> dict[str, frozenset[int]]:
        """Whom rounds that are held back wait for: not those that were closed or given up since."""
        return {s: who for s, who in self.held_back.items() if self._is_open(s)}

    def let_go(self) -> None:
        """Forget why contributions are in no sum, of rounds that are let go of."""
        for session in self.left_out.keys() - self._rounds.views.keys():
            del self.left_out[session]

    def step(self, due: Sequence[RoundView]) -> bool:
        """Get on with all rounds for a while, closing those of ``due`` that can be closed.

        Whether anything was done.
        """
        self._let_go_of_given_up()
        is_at_work = self._advance_packed([view for view in due if not is_hybrid(view)])
        return self._advance_hybrid({view.session for view in due}) or is_at_work

    def _advance_packed(self, due: Sequence[RoundView]) -> bool:
        """Judge and add for a while; whether there is more to do.

        Rounds of about the same length get on one after the other, those of other lengths beside
        them: a long statistic keeps no short training waiting, nor many short ones a long one. One
        of each class is in memory at a time.
        """
        sessions = {view.session for view in due}
        self._packed = {s: found for s, found in self._packed.items() if s in sessions}
        classes: defaultdict[int, list[RoundView]] = defaultdict(list)
        for view in due:
            classes[_length_class(view)].append(view)
        seconds = _TICK_SECONDS / max(1, len(classes))
        waits = [self._advance_one(views, seconds) for _, views in sorted(classes.items())]
        return any(waits)

    def _advance_one(self, due: Sequence[RoundView], seconds: float) -> bool:
        until = time.monotonic() + seconds
        for view in sorted(due, key=self._turn):
            found = self._packed_round(view)
            if not found.is_waiting:
                continue
            while found.step():
                if found.is_decided:
                    self.held_back.pop(view.session, None)
                if time.monotonic() >= until:
                    return True
            self._tell_left_out(view, found.unfit)
            if found.closing is None:
                self.left_out[view.session] = found.left_out
                self._hold_back(view, found.fit)
                continue
            self.held_back.pop(view.session, None)
            self._say(view.session, found.closing)
            self._tell_left_out(view, found.left_out)
            del self._packed[view.session]
        return False

    def _tell_left_out(self, view: RoundView, reasons: Mapping[int, Reason]) -> None:
        """Say on the board, once each, whose contribution is left out for good, and why.

        What is unfit is said as soon as it is known, all else when the round is closed: the reasons
        for it can change until then.
        """
        self.left_out[view.session] = dict(reasons)
        for member, reason in sorted(reasons.items()):
            if member not in view.omissions:
                self._say(view.session, reason.about(view.contributions[member]))

    def _turn(self, view: RoundView) -> tuple[bool, int]:
        """What is begun comes first, then what was opened first."""
        found = self._packed.get(view.session)
        assert view.opening is not None
        return found is None or not found.is_at_work, view.opening.position

    def _packed_round(self, view: RoundView) -> PackedRound:
        if view.session not in self._packed:
            self._packed[view.session] = PackedRound(view, *self._about(view))
        return self._packed[view.session]

    def _about(self, view: RoundView) -> tuple[StudyState, Epoch, BlobStore, OpenedSets]:
        """What an open round needs beside its view."""
        assert view.opening is not None
        epoch = self._epochs[view.opening.post.body.epoch]
        return self._rounds.state_of(view), epoch, self._blobs, self._rounds.history

    def _hold_back(self, view: RoundView, fit: frozenset[int]) -> None:
        """Note for whom a round waits that has enough contributions, and no sum of them to open."""
        if len(fit) >= self._rounds.state_of(view).study.least_contributors:
            self.held_back[view.session] = self._rounds.history.awaited(view, fit)
        else:
            self.held_back.pop(view.session, None)

    def _is_open(self, session: str) -> bool:
        """Whether hospitals may still contribute to a round to some purpose."""
        view = self._rounds.views[session]
        return view.closing is None and not self._rounds.is_given_up(view)

    def _advance_hybrid(self, due: set[str]) -> bool:
        """Some steps of each hybrid round, closing those that are done; whether any was taken."""
        views = self._rounds.open_hybrid()
        steps = [self._advance_vectors(view, view.session in due, len(views)) for view in views]
        return any(steps)

    def _advance_vectors(self, view: RoundView, is_due: bool, n_rounds: int) -> bool:
        """A round's share of the steps of a tick, one of ``n_rounds`` and at least one step."""
        steps, until = 0, time.monotonic() + _TICK_SECONDS / n_rounds
        found, is_at_work = self._hybrid_round(view), True
        while not steps or (steps < _TICK_STEPS // n_rounds and time.monotonic() < until):
            if not (is_at_work := found.step(is_due)):
                break
            steps += 1
        if found.is_decided:
            self.held_back.pop(view.session, None)
        elif is_due and not is_at_work:  # all that came is judged
            self._hold_back(view, found.fit)
        self._tell_left_out(view, found.unfit)
        if closing := found.closing():
            self._say(view.session, closing)
            self._tell_left_out(view, found.left_out)
            self.held_back.pop(view.session, None)
            del self._hybrid[view.session]
            found.remove()
        return steps > 0

    def _let_go_of_given_up(self) -> None:
        """Keep no sum of rounds that nobody will close, and wait for nobody there."""
        views = self._rounds.views
        for session in [s for s in self._hybrid if self._rounds.is_given_up(views[s])]:
            self._hybrid.pop(session).remove()
        self.held_back = self.waited_for

    def _hybrid_round(self, view: RoundView) -> HybridRound:
        if view.session not in self._hybrid:
            self._hybrid[view.session] = HybridRound(
                self._folder, view, *self._about(view), self._summation
            )
        return self._hybrid[view.session]


def _length_class(view: RoundView) -> int:
    """Rounds of one class differ in length by a factor of 16 at most."""
    opening = view.terms_of_opening
    assert opening is not None
    return (opening.length - 1).bit_length() // _CLASS_BITS
