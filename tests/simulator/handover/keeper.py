"""Whoever types ``key refresh`` at a hospital, and its agent, which takes part by itself."""

from collections.abc import Callable

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.handover import HandoverTask, Wish
from participant.handover.own import OwnPlace
from participant.home.membership import Membership
from participant.service.due import due_tasks
from protocol.board.draft import Draft
from protocol.board.handover import Handover
from protocol.handover import HandoverWord, word_of
from protocol.messages import Said
from protocol.messages.session import read_session
from tests.simulator.handover.script import RefreshScript

TRIES = 4  # so often a command is typed again after an attempt that was given up
RETRY_SECONDS = 5.0


class Keeper:
    """At one hospital; ``ends``: how its tasks ended, with whether people had asked for them."""

    def __init__(self, script: RefreshScript, index: int) -> None:
        self._script, self._index = script, index
        self._times = script.wishes_of(index)
        self.clock: Callable[[], float] = lambda: 0.0
        self._closed = self._tries = 0  # wishes that are over; how often the next one was tried
        self._not_before = 0.0
        self.ends: list[tuple[bool, Exception | None]] = []
        self.agent: Agent | None = None
        self.task: HandoverTask | None = None

    def come(self, agent: Agent, member: Membership) -> None:
        """The hospital's program has begun, anew after each crash."""
        self.agent, self._member, self.task = agent, member, None
        self._over = dict[str, int]()  # sessions whose task has failed, and by what it was due
        self._since, self._seen = 0, object()

    def over(self, task: Task, error: Exception | None) -> None:
        """A task of the agent has ended."""
        assert self.task is not None
        assert task is self.task
        self.ends.append((self.task.wish is not None, error))
        if self.task.wish is None:
            if error is not None:
                self._over[self.task.session] = self._since
        elif error is None or self._tries + 1 == TRIES:
            self._closed, self._tries = self._closed + 1, 0
        else:
            self._tries, self._not_before = self._tries + 1, self.clock() + RETRY_SECONDS
        self.task = None

    @property
    def is_done(self) -> bool:
        """Whether nobody is to type anything more, and nothing is left to do by itself."""
        if self.agent is None:
            return False
        if (task := self.task) is None:
            return self._closed == len(self._times)
        handover = task.handover
        if handover is None or not handover.is_over:
            return False
        return self._index in self._script.liars or self._waits_for_the_mute(handover)

    def _waits_for_the_mute(self, handover: Handover) -> bool:
        """Whether an attempt is released, and never settled."""
        attempt, number = handover.view.attempt, read_session(handover.about.session).number
        missing = set(attempt.rosters.new) - attempt.acknowledged
        ends = HandoverWord.RELEASE, HandoverWord.ACKNOWLEDGE
        return attempt.is_released and any(
            self._script.is_mute(member, word, number) for member in missing for word in ends
        )

    @property
    def _wish_is_due(self) -> bool:
        now = self.clock()
        times = self._times[self._closed :]
        return bool(times) and now >= max(times[0], self._not_before)

    def look(self) -> bool:
        """Do what is due, and type what is; whether anything was."""
        assert self.agent is not None
        seen = self.agent, len(self.agent.board.entries), self.task, self._wish_is_due
        if seen == self._seen:
            return False
        found = self._begin_due()
        found |= self._type()
        self._seen = () if found else seen
        return found

    def _begin_due(self) -> bool:
        """As ``participant.service.work`` does it."""
        assert self.agent is not None
        member, board = self._member, self.agent.board
        if self.task is not None:
            return False
        keys = member.keys if member.vault.epochs() else None
        for due in due_tasks(board, member, keys, 0, lambda *given: []):
            failed = self._over.get(due.session, -1) >= due.since
            if read_session(due.session).kind == "handover" and not failed:
                self._since = due.since
                self._add(None)
                return True
        return False

    def _type(self) -> bool:
        if not self._wish_is_due or (self.task is not None and self.task.wish is not None):
            return False
        wish = Wish(self._member.terms)
        if self.task is not None:
            self.task.agree(wish)
        else:
            self._add(wish)
        return True

    def _add(self, wish: Wish | None) -> None:
        assert self.agent is not None
        now_ms = lambda: int(1000 * self.clock())  # noqa: E731
        task = MuteTask(self._index, OwnPlace(self._member), wish, self.clock, now_ms)
        task.script, self.task = self._script, task
        self.agent.tasks.add(task, yields=wish is None)


class MuteTask(HandoverTask):
    """One that leaves out what the script says, at the members that it names."""

    script: RefreshScript

    def due(self) -> Draft | None:
        draft = super().due()
        if draft is None or not isinstance(draft.body, Said):
            return draft
        number = read_session(draft.session).number
        is_mute = self.script.is_mute(self._number, word_of(draft.body), number)
        return None if is_mute else draft
