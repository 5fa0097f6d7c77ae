"""Telling people what a session waits for, while it waits: a line now and then, or an event."""

from collections.abc import Callable
from typing import Protocol

from participant.cli.sentences import Context, step_words, waiting_event, waiting_line
from participant.cli.views import TransferBar, TransferLines, Vigil, link_notices, say_json
from participant.cli.work.working import Worker, say_aside
from participant.hospital import Hospital
from participant.network import Notices
from participant.waiting import Waiting
from protocol.words.duration import duration

_PASSING = ("link", "stalled", "board", "upload")
_LONG_SECONDS = 2.0  # a step of the agent's own that people are told of


class Watched(Protocol):
    """What is at work: a session here, or what the agent that runs says of its own."""

    @property
    def done(self) -> bool: ...
    @property
    def waiting(self) -> Waiting: ...
    @property
    def index(self) -> int: ...
    @property
    def at_work_seconds(self) -> float: ...
    @property
    def clock(self) -> Callable[[], float]: ...


class Teller:
    """Looks at a session again and again; writes to standard error, or events to standard output.

    A view that is redrawn gets the newest words at any moment instead. session: gives the one that
    is at work.
    """

    def __init__(
        self,
        session: Callable[[], Watched | None],
        context: Context,
        as_json: bool = False,
        view: TransferBar | TransferLines | None = None,
        vigil: Vigil | None = None,
        write: Callable[[str], None] = say_aside,
    ) -> None:
        self._session, self._context, self._as_json = session, context, as_json
        self._vigil, self._write = vigil or Vigil(), write
        self._now: tuple[Waiting, float] | None = None  # and how long, when it was looked at
        self._is_redrawn = isinstance(view, TransferBar) and not as_json
        if isinstance(view, TransferBar):
            view.progress.words = self.words

    def look(self) -> None:
        """Tell what is waited for, if it is time to."""
        session = self._session()
        if session is None or session.done:
            self._now = None
            return
        waiting = session.waiting
        passing = waiting.kind in _PASSING
        step = step_words(waiting, self._context)
        what = (waiting.kind,) if passing else (waiting.kind, step)
        seconds, is_due = self._vigil.look(what, waiting.members, passing)
        self._now = waiting, session.clock() - seconds
        if not is_due or self._is_redrawn:
            return
        own = session.index
        if self._as_json:
            say_json(waiting_event(waiting, seconds, own, self._context))
        else:
            self._write(waiting_line(waiting, seconds, own, self._context))

    def words(self) -> str:
        """What is to be read on a terminal just now."""
        session = self._session()
        if session is None:
            return ""
        if (at_work := session.at_work_seconds) > _LONG_SECONDS:
            return f"This hospital is at work, for {duration(at_work)}. The others may wait for it"
        if self._now is None or session.done:
            return ""
        waiting, since = self._now
        return waiting_line(waiting, session.clock() - since, session.index, self._context)


def watched(worker: Worker) -> Watched | None:
    """What a hospital has at work just now, wherever it is done."""
    return worker.session if isinstance(worker, Hospital) else worker.mirror


def telling(
    hospital: Worker,
    context: Context,
    as_json: bool = False,
    moved: Callable[[], None] = lambda: None,
    view: TransferBar | TransferLines | None = None,
) -> Notices:
    """Notices about the link and about what is waited for; ``moved`` is called before each look."""
    context.is_statistic = lambda study: _is_statistic(hospital, study)
    teller = Teller(lambda: watched(hospital), context, as_json, view)

    def look() -> None:
        moved()
        teller.look()

    return link_notices(hospital.url, say_aside, look)


def _is_statistic(worker: Worker, study: str) -> bool:
    if not isinstance(worker, Hospital):
        return worker.mirror.is_statistic(study)
    session = worker.session
    if session is None or not session.agent.begun:
        return False
    found = session.agent.board.studies.get(study)
    return found is not None and not found.study.is_training
