"""How long a ceremony probably takes, before it starts and while it runs."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from participant.ceremony.calibration import Calibration, CeremonyCost
from protocol.ceremony import (
    CeremonyProgress,
    batches_until,
    is_searching,
    layout_of,
    mean_candidates,
    share_done,
)
from protocol.terms import Terms

FIRST_SLICE_SECONDS, SLICE_SECONDS, PAUSE_SECONDS = 0.05, 0.01, 0.1
_MOST = 0.95


@dataclass(frozen=True)
class Expectation:
    """How long ceremonies like this one take, from the last joining to the end.

    half_seconds: at least half of all are done by then; most_seconds: at least 95 % are.
    """

    mean_seconds: float
    half_seconds: float
    most_seconds: float


@dataclass(frozen=True)
class CeremonyOutlook:
    """What there is to show of a ceremony.

    candidates: tried, in whole batches. elapsed_seconds: since all have joined, or until then since
    the start; as far as this process has seen. expected_seconds: from the last joining to the end,
    in the mean of all ceremonies. remaining_seconds: in the mean, whatever has elapsed.
    share_done_by_now: of all ceremonies, those that have found their key among ``candidates``.
    waited_seconds: for others in this step, once all have joined; the ceremony is given up when it
    has lasted ``step_seconds``.
    """

    step: str
    joined: tuple[str, ...]
    waiting_for: tuple[str, ...]
    candidates: int
    expected_candidates: int
    tests: int
    expected_tests: float
    is_found: bool
    elapsed_seconds: float
    remaining_seconds: float
    expected_seconds: float
    share_done_by_now: float
    waited_seconds: float = 0.0
    step_seconds: int = 0


class Watch:
    """Makes facts of a ceremony's progress, with the time that it takes.

    The pace is the calibrated one until a batch has been tried, then the measured one: the wait for
    others, the link and whatever shares the machine are in it.
    """

    def __init__(
        self, terms: Terms, calibration: Calibration, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terms, self._calibration, self._clock = terms, calibration, clock
        calibration.advance(FIRST_SLICE_SECONDS)
        self._started = clock()
        self._awaited: tuple[tuple[str, int], float] | None = None  # a step, and since when
        self._found_at: float | None = None
        self._candidates_before: int | None = None  # tried when the clock was set; None: not joined
        self._measured: float | None = None  # seconds a candidate
        self._measured_at = (0, "")  # candidates tried, step

    @property
    def has_all(self) -> bool:
        """Whether all have joined."""
        return self._candidates_before is not None

    @property
    def expectation(self) -> Expectation:
        """What ceremonies like this one take."""
        batch = layout_of(self._terms).batch_size * self._pace
        ending = self._ending_seconds
        half, most = (batches_until(share, self._terms) for share in (0.5, _MOST))
        mean = mean_candidates(self._terms) * self._pace
        return Expectation(mean + ending, half * batch + ending, most * batch + ending)

    def calibrate(self) -> bool:
        """Measure for one slice if there is time for it; whether another one is wanted."""
        if not self.has_all:
            self._calibration.advance(SLICE_SECONDS)
        return not (self.has_all or self._calibration.done)

    def facts(self, progress: CeremonyProgress) -> CeremonyOutlook:
        """What to show now."""
        tried = _tried(progress, self._terms)
        self._set_clock(progress, tried)
        waiting = progress.waiting_for if progress.step != "done" else ()
        absent = waiting if progress.step == "join" else ()
        everyone = range(1, self._terms.n_members + 1)
        return CeremonyOutlook(
            progress.step,
            tuple(self._terms.name_of(m) for m in everyone if m not in absent),
            tuple(self._terms.name_of(m) for m in waiting),
            tried,
            math.ceil(progress.expected_candidates),
            progress.tests,
            progress.expected_tests,
            not is_searching(progress.step),
            self._clock() - self._started,
            self._remaining(progress),
            self.expectation.mean_seconds,
            share_done(tried, self._terms),
            self._waited(progress),
            self._terms.step_seconds,
        )

    def _waited(self, progress: CeremonyProgress) -> float:
        """For how long this process has seen others owe what they have to say in this step."""
        now, step = self._clock(), (progress.step, progress.candidates)
        if progress.step in ("join", "done"):
            self._awaited = None
            return 0.0
        if self._awaited is None or self._awaited[0] != step:
            self._awaited = step, now
        return now - self._awaited[1]

    def _set_clock(self, progress: CeremonyProgress, tried: int) -> None:
        now = self._clock()
        if progress.step != "join" and self._candidates_before is None:
            self._candidates_before, self._started = tried, now
        if is_searching(progress.step):
            self._found_at = None
        elif self._found_at is None:
            self._found_at = now
        # A batch is tried when the next deal begins, and checked when it ends: measured anew then.
        at = (tried, progress.step)
        since = tried - (self._candidates_before or 0)
        if since and progress.step in ("deal", "moduli-commit") and at != self._measured_at:
            self._measured_at, self._measured = at, (now - self._started) / since

    def _remaining(self, progress: CeremonyProgress) -> float:
        if progress.step == "done":
            return 0.0
        if self._found_at is None:
            return self.expectation.mean_seconds
        return max(0.0, self._ending_seconds - (self._clock() - self._found_at))

    @property
    def _pace(self) -> float:
        return self._measured or self._cost.candidate_seconds

    @property
    def _ending_seconds(self) -> float:
        """What the end takes; slower by as much as the search was slower than calibrated."""
        return self._cost.ending_seconds * max(1.0, self._pace / self._cost.candidate_seconds)

    @property
    def _cost(self) -> CeremonyCost:
        return self._calibration.cost


def _tried(progress: CeremonyProgress, terms: Terms) -> int:
    """Candidates of whole batches: the machine counts a batch as soon as its moduli are open."""
    untried = progress.step in ("screen-commit", "screen")
    return progress.candidates - (layout_of(terms).batch_size if untried else 0)
