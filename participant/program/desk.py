"""What training wants of programs and they of it, at one place: each waits here for the other.

Training calls in threads of its own, and a program's visit asks in its thread. There is one visit
at a time. What it asks is answered from the state here, so that a program may go after any answer
and come back, or another one in its place.
"""

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from participant.agent import Stopped
from participant.app import Config, Stood, config_of
from participant.conversation import AppBegins, AppHello, AppUpdate, Scored
from participant.disk import Storage
from participant.program.beginning import Beginning
from participant.program.first_begin import FirstBegin
from participant.program.hindrance import Hindrance, hindrance_in
from participant.program.not_answered import NotAnswered, Words, ended, turn_is_over, wrong_app
from protocol.board import Study

_LOOK_SECONDS = 0.2  # how soon it is noticed that a program has gone
Fitted = tuple[Any, int, Config]


class AtDesk(Protocol):
    """A visit: what the program said first, for which run, and whether it is still there.

    told: why it waits, as it was told last.
    """

    hello: AppHello
    for_run: str
    told: Hindrance | None

    @property
    def is_gone(self) -> bool: ...

    def tell(self, found: Hindrance) -> None: ...


class WantedFit(NamedTuple):
    """A fit that training waits for."""

    number: int
    parameters: Any
    config: Config


class Reply(NamedTuple):
    """An answer. round: that it is about. parameters: the model, None for no model."""

    kind: str
    round: int = 0
    config: Config | None = None
    parameters: Any = None
    stood: Stood | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Place:
    """Where this hospital stands, and its model there."""

    stood: Stood
    give: Callable[[], Any]


class ProgramDesk:
    """One study's, as long as this hospital trains in it."""

    def __init__(
        self, study: Study, storage: Storage, wake: Callable[[], None], words: Words
    ) -> None:
        """wake: lets the agent look at what has changed. words: for errors, as people read them.

        Raises DamagedFile.
        """
        self._study, self._wake, self._words = study, wake, words
        self._moved, self._first = threading.Condition(), FirstBegin(study, storage, words)
        self._wanted: WantedFit | None = None
        self._given: Fitted | None = None  # of what was wanted last
        self._handed = 0  # the last round for which an update was given
        self._turn = self._last_turn = ""  # of the last begin, and of the last update
        self._place: _Place | None = None
        self._sums: dict[int, bool] = {}  # the rounds before: whether an update of here is in them
        self._asked_at = -1  # the round whose model a program has asked to train from
        self._is_begun = False  # a program waits for a round to open
        self._owes_score = 0  # the round whose model a program has to score, if it does
        self._score: Scored | None = None
        self._hindrance: Hindrance | None = None  # why the round that is due gets no further
        self._fault: Exception | None = None  # why no program can come
        self._is_closed = False
        self._end: Exception | None = None

    # ── training ──

    @property
    def beginning(self) -> Beginning | None:
        """What the study has begun with, once a program has."""
        return self._first.kept

    @property
    def stands_at(self) -> int:
        """The round after which this hospital stands; 0 before the first."""
        return self._place.stood.round if self._place else 0

    @property
    def is_asked(self) -> bool:
        """Whether a program wants to train from the model that this hospital stands at."""
        with self._moved:
            place = self._place
            return self._is_begun or (place is not None and self._asked_at == place.stood.round)

    def initial(self) -> tuple[Beginning, Any]:
        """What the study begins with, as soon as a program has come. Raises Stopped."""
        with self._moved:
            self._until(lambda: self._first.kept is not None)
        return self._first.read()

    def fit(self, parameters: Any, config: Config) -> Fitted:
        """What a program makes of the model. Raises Stopped, also once it is given up."""
        with self._moved:
            mine = self._wanted = WantedFit(config["round"], parameters, config)
            self._given = self._hindrance = None
            self._handed = min(self._handed, mine.number - 1)
            self._moved.notify_all()
            self._until(lambda: self._given is not None or self._wanted is not mine)
            if (given := self._given) is None:
                raise Stopped
            self._given = None
            return given

    def score(self) -> tuple[float, int, Config]:
        """What the program makes of the model that its update was answered with; NaN if nothing."""
        with self._moved:
            self._until(lambda: not self._owes_score)
            scored, self._score = self._score, None
        return (scored.loss, scored.examples, scored.metrics) if scored else (math.nan, 0, {})

    def give_up(self) -> None:
        """Wait for no update any more: one that comes is late."""
        with self._moved:
            self._wanted = None
            self._moved.notify_all()

    def stand(self, stood: Stood, give: Callable[[], Any]) -> None:
        """This hospital stands there now."""
        with self._moved:
            self._place, self._hindrance = _Place(stood, give), None
            self._sums[stood.round] = stood.in_sum
            if self._is_begun:
                self._asked_at = stood.round
            self._moved.notify_all()

    def sums_before(self, found: Mapping[int, bool]) -> None:
        """In which of the last rounds' sums this hospital's update is."""
        with self._moved:
            self._sums |= found

    def hear(self, number: int, event: str, facts: dict[str, Any]) -> None:
        """Take note of why a round gets no further."""
        if found := hindrance_in(self._study, number, event, facts, self._words):
            with self._moved:
                self._hindrance = found
                self._moved.notify_all()

    def fail(self, error: Exception) -> None:
        """No program can come: training raises that."""
        with self._moved:
            self._fault = error
            self._moved.notify_all()

    def close(self, error: Exception | None) -> None:
        """Training is over, by that error if there is one; who waits here stops."""
        with self._moved:
            if not self._is_closed:
                self._is_closed, self._end = True, error
                self._wanted = self._hindrance = None
            self._moved.notify_all()

    def _until(self, is_so: Callable[[], bool]) -> None:
        self._moved.wait_for(lambda: is_so() or self._is_closed or self._fault is not None)
        if not is_so():
            raise self._fault or Stopped()

    # ── a program ──

    def greet(self, visit: AtDesk) -> Config:
        """The config of the initial model, for a program of this study. Raises NotAnswered."""
        pinned, said = self._study.training.app, visit.hello
        if pinned and said.app != pinned.hex():
            raise wrong_app(self._study, said.app)
        if said.run:  # else begin may say it
            self._first.require_run(said.run)
        return config_of(self._study, 0)

    def begin(self, visit: AtDesk, said: AppBegins, initial: Any, body: memoryview) -> Reply:
        """The model to train from, when a round is open. Raises NotAnswered, and NoMore.

        initial: the model that was said, if one was; body: its bytes. Raises EOFError once the
        program or training has gone.
        """
        with self._moved:
            if said.turn and said.turn == self._last_turn:
                raise turn_is_over(self._study)
            self._tell_score(said.evaluation)
            self._moved.notify_all()
        self._take_beginning(visit, said, initial, body)
        with self._moved:
            self._is_begun, self._turn = True, said.turn
            if self._place is not None:
                self._asked_at = self._place.stood.round
            self._moved.notify_all()
        self._wake()
        with self._moved:
            try:
                self._wait(visit, lambda: self._wanted)
            finally:
                self._is_begun = False
            wanted = self._wanted
            assert wanted is not None
            return Reply("train", wanted.number, wanted.config, wanted.parameters)

    def update(self, visit: AtDesk, said: AppUpdate, parameters: Any) -> Reply:
        """What became of a round and this update. Raises NotAnswered and EOFError."""
        self._first.require_run(visit.for_run)
        number = said.round
        with self._moved:
            self._find_place(visit)
            following = self._place.stood.round + 1 if self._place else 1
            if not 1 <= number <= min(following, self._study.rounds):
                raise NotAnswered(
                    "round", f"round {number} of study {self._study.name} has not begun here",
                    "begin, and answer for the round of that answer",
                )  # fmt: skip
        if number == following:
            self._first.require_model(parameters)
        with self._moved:
            self._last_turn = self._turn
            if not self._has_passed(number):
                self._owes_score = number
            is_due = lambda: self._has_passed(number) or self._takes(number)  # noqa: E731
            self._wait(visit, is_due)
            if self._is_wanted(number) and not self._has_passed(number):
                self._given, self._wanted = (parameters, said.examples, dict(said.metrics)), None
                self._handed = number
                if self._hindrance and self._hindrance.waits_for_own:
                    self._hindrance = None
                self._moved.notify_all()
            del parameters
            self._wait(visit, lambda: self._has_passed(number))
        return self._outcome(number)

    def model(self, visit: AtDesk) -> Reply:
        """The model that this hospital stands at. Raises NotAnswered."""
        self._first.require_run(visit.for_run)
        with self._moved:
            self._find_place(visit)
            if (place := self._place) is None:
                why = "there is no model before the first program has begun"
                raise NotAnswered("model", why, "ask for it after begin")
        stood = place.stood
        return Reply("model", stood.round, self._config(stood), place.give(), stood)

    def leave(self) -> None:
        """The program has gone: no score comes from it."""
        with self._moved:
            self._owes_score = 0
            self._moved.notify_all()

    def _outcome(self, number: int) -> Reply:
        with self._moved:
            assert self._place is not None
            place, is_in = self._place, self._sums.get(number, False)
        stood = place.stood
        is_void = stood.round == number and stood.reason
        kind = "void" if is_void else "applied" if is_in else "late"
        about = self._config(stood), place.give(), stood
        return Reply(kind, number, *about, stood.reason if is_void else "")

    def _config(self, stood: Stood) -> Config:
        return config_of(self._study, stood.round)

    def _find_place(self, visit: AtDesk) -> None:
        """Wait until training knows where it stands, in an agent that is started anew."""
        if self._first.kept is not None:
            self._wait(visit, lambda: self._place)

    def _has_passed(self, number: int) -> bool:
        return self._place is not None and self._place.stood.round >= number

    def _takes(self, number: int) -> bool:
        """Whether a round's update is there, or can be taken now."""
        return self._is_wanted(number) or self._handed == number

    def _is_wanted(self, number: int) -> bool:
        return self._wanted is not None and self._wanted.number == number

    def _tell_score(self, scored: Scored | None) -> None:
        if self._owes_score:
            self._score, self._owes_score = scored, 0

    def _take_beginning(
        self, visit: AtDesk, said: AppBegins, initial: Any, body: memoryview
    ) -> None:
        """What the study begins with, if nothing has yet; or that this program fits to it."""
        first, local = self._first, visit.hello.local_entries
        first.require_run(visit.for_run)
        if first.kept is not None:
            first.require_fit(local, initial)
            return
        self._require_open()
        written = first.write(visit.for_run, local, said, initial, body)
        with self._moved:
            if self._is_closed:  # meanwhile
                first.forget()
            self._require_open()
            first.count(written)
            self._moved.notify_all()

    def _wait(self, visit: AtDesk, is_so: Callable[[], object]) -> None:
        """Until it is so; the program is told why it waits, where that is known.

        Raises NotAnswered where waiting changes nothing, and EOFError once the program has gone, or
        training is over.
        """
        while not is_so():
            self._require_open()
            if visit.is_gone:
                raise EOFError
            found = self._hindrance
            if found is not None and found.is_final:
                raise found.why
            if found is not None and found is not visit.told:
                self._moved.release()  # it may be slow to read
                try:
                    visit.tell(found)
                finally:
                    self._moved.acquire()
            else:
                self._moved.wait(_LOOK_SECONDS)

    def _require_open(self) -> None:
        """Raises what a program is told once training is over, and EOFError."""
        if self._is_over:
            raise ended(self._study, self._end, self._words)
        if self._is_closed or self._fault:
            raise EOFError

    @property
    def _is_over(self) -> bool:
        """Whether there is no more for a program to do."""
        is_last = self._place is not None and self._place.stood.round >= self._study.rounds
        return is_last or (self._is_closed and self._end is not None)
