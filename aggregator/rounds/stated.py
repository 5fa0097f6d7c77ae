"""Which rounds' vectors hospitals may still need, as far as the board tells.

A hospital makes the next model from the vectors of a round: of the sum, and of single hospitals
where checksums are missing. Once it states that model it needs them no more. So with K the plan's
``keep_vectors``, the vectors of a round are kept

- while fewer than K later rounds have a model that enough have stated: a hospital whose disk is put
  back by no more rounds goes on by itself;
- and for K rounds before the last one of each hospital that is behind, if its approval to
  contribute stands. It can make no model without the round after its own: who lacks that already is
  waited for no more;
- but of ``AWAY`` times K rounds at most, whoever is away: nobody fills the disk by its silence.

All vectors of a study go ``DAYS_AFTER_END``. A model is that of a round if the next one was opened
from it, or if for the last one enough have stated it. No minority makes a model so, and nobody can
say that another one has stated it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.board import AWAY, DAYS_AFTER_END, Handovers, Posted, Studies, StudyState
from protocol.encoding import Message
from protocol.messages import Opening, Statement, StudyName, read_session

_DAY_MS = 24 * 3_600_000

Waited = Callable[[int], int]  # for how long, since a time of the board; both in ms


class CourseState(Message, frozen=True):
    """Of a study: its last agreed round (-1: none), that model, who stood where, who said what."""

    study: StudyName
    agreed: int
    model: bytes
    at: tuple[tuple[int, int], ...]
    said: tuple[tuple[int, bytes], ...]
    over_ms: int


@dataclass
class _Course:
    agreed: int = -1
    model: bytes = b""
    at: dict[int, int] = field(default_factory=dict)  # the last agreed round of each member
    said: dict[int, bytes] = field(default_factory=dict)  # of the model after the round that is on
    over_ms: int = 0  # when the last model was agreed, or the study ended; 0: it goes on

    def agree(self, number: int, model: bytes) -> None:
        self.agreed, self.model = number, model
        self.at |= {m: number for m, result in self.said.items() if result == model}
        self.said.clear()


class Kept(NamedTuple):
    """first: the first round whose vectors are kept; agreed: the last one with a model.

    behind: the members for whom older ones are kept than otherwise. stranded: those that lack
    rounds which are gone already.
    """

    first: int
    agreed: int
    behind: tuple[int, ...]
    stranded: tuple[int, ...]


class StatedModels:
    """How far the hospitals of each study are that trains."""

    def __init__(self, studies: Studies, handovers: Handovers) -> None:
        """Both of the board, which somebody else keeps up with it."""
        self._studies, self._handovers = studies, handovers
        self._courses: dict[str, _Course] = {}
        self._touched = set[str]()

    def receive(self, posted: Posted) -> None:
        """Take note of an entry, which the studies have taken note of already."""
        named = read_session(posted.post.session)
        if named.kind == "handover" and self._handovers.successor is not None:
            for name in self._courses:
                self._end(name, posted.time_ms)
        state = self._studies.get(named.study)
        if state is None or not state.study.is_training:
            return
        name, body, sender = named.study, posted.post.body, posted.post.sender
        course = self._courses.setdefault(name, _Course())
        self._touched.add(name)
        if isinstance(body, Opening) and named.number - 1 > course.agreed:
            course.agree(named.number - 1, body.model)
        elif isinstance(body, Statement) and named.number == course.agreed:
            if body.result == course.model:
                course.at[sender] = named.number
        elif isinstance(body, Statement) and named.number == course.agreed + 1:
            course.said[sender] = body.result
            if named.number == state.study.rounds:
                self._agree_last(course, state, posted.time_ms)
        if state.is_ended():
            self._end(name, posted.time_ms)

    def _agree_last(self, course: _Course, state: StudyState, time_ms: int) -> None:
        ((model, count),) = Counter(course.said.values()).most_common(1)
        if count >= state.study.least_agreeing:
            course.agree(state.study.rounds, model)
            self._end(state.study.name, time_ms)

    def _end(self, name: str, time_ms: int) -> None:
        course = self._courses[name]
        course.over_ms = course.over_ms or time_ms
        self._touched.add(name)

    # ── what is kept ──

    def to_look_at(self) -> set[str]:
        """The studies of which more may be due to go than when this was asked last."""
        found, self._touched = self._touched, set()
        return found

    @property
    def over(self) -> list[str]:
        """The studies that are over, by what was said in them or of the key."""
        return [name for name, course in self._courses.items() if course.over_ms]

    def kept(self, name: str, before: int) -> Kept:
        """What is kept of a study; ``before``: the vectors of earlier rounds are gone already."""
        course, state = self._courses.get(name, _Course()), self._studies[name]
        agreed, keep = max(course.agreed, 0), state.study.training.keep_vectors
        leaving = state.leaving()
        at = {m: course.at.get(m, 0) for m in state.contributors() if m not in leaving}
        helped = {m: last for m, last in at.items() if last >= before - 1}
        least = min(helped.values(), default=agreed)
        first = max(before, min(least, agreed) - keep + 1, agreed - AWAY * keep + 1)
        usual = agreed - keep + 1
        behind = [m for m, last in helped.items() if first < usual and last < agreed]
        stranded = [m for m, last in at.items() if last < min(before - 1, agreed)]
        return Kept(first, agreed, tuple(behind), tuple(stranded))

    def is_past(self, name: str, waited: Waited) -> bool:
        """Whether a study has been over for so long that nothing is kept for it."""
        over_ms = self._courses[name].over_ms
        return over_ms > 0 and waited(over_ms) >= DAYS_AFTER_END * _DAY_MS

    # ── stored ──

    @property
    def state(self) -> tuple[CourseState, ...]:
        """What others go on from (``resume``)."""
        return tuple(
            CourseState(
                name, c.agreed, c.model, tuple(c.at.items()), tuple(c.said.items()), c.over_ms
            )
            for name, c in self._courses.items()
        )

    def resume(self, state: tuple[CourseState, ...]) -> None:
        """Go on as if all entries had been received up to a state of it."""
        for one in state:
            self._courses[one.study] = _Course(
                one.agreed, one.model, dict(one.at), dict(one.said), one.over_ms
            )
        self._touched.update(self._courses)
