"""Whoever types ``key refresh`` or ``handover`` at a hospital, and its agent's part in it."""

from collections.abc import Callable

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.handover import AnotherHandover, HandoverTask, Wish
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

    def __init__(
        self, script: RefreshScript, index: int, wish_of: Callable[[int], Wish], is_guest: bool
    ) -> None:
        """wish_of: what is typed for an heir of a number, 0 for a refresh."""
        self._script, self._index = script, index
        self._wish_of, self._is_guest = wish_of, is_guest
        self.wishes = script.wishes_of(index)
        self.typed = set[int]()  # heirs for which it was
        self.clock: Callable[[], float] = lambda: 0.0
        self._closed = self._tries = 0  # wishes that are over; how often the next one was tried
        self._not_before = 0.0
        self.ends: list[tuple[bool, Exception | None]] = []
        self.agent: Agent | None = None
        self.task: HandoverTask | None = None
        self.inheriting: Task | None = None

    def come(self, agent: Agent, member: Membership) -> None:
        """The hospital's program has begun, anew after each crash."""
        self.agent, self._member, self.task, self.inheriting = agent, member, None, None
        self._over = dict[str, int]()  # sessions whose task has failed, and by what it was due
        self._since, self._seen = 0, object()

    def over(self, task: Task, error: Exception | None) -> None:
        """A task of the agent has ended."""
        if task is self.inheriting:
            self.inheriting = None
            self.ends += [(False, error)] * (error is not None)
            return
        assert self.task is not None
        assert task is self.task
        self.ends.append((self.task.wish is not None, error))
        if self.task.wish is not None:
            self._typed_in_vain(error)
        elif error is not None:
            self._over[self.task.session] = self._since
        self.task = None

    def _typed_in_vain(self, error: Exception | None) -> None:
        """Unless there was no error, people type it again, some times."""
        if error is None or self._tries + 1 == TRIES:
            self._closed, self._tries = self._closed + 1, 0
        else:
            self._tries, self._not_before = self._tries + 1, self.clock() + RETRY_SECONDS

    @property
    def is_done(self) -> bool:
        """Whether nobody is to type anything more, and nothing is left to do by itself."""
        if self.agent is None or self.inheriting is not None:
            return False
        if (task := self.task) is None:
            return self._closed == len(self.wishes)
        handover = task.handover
        if handover is None or not handover.is_over:
            return False
        return self._index in self._script.liars or self._waits_for_the_mute(handover)

    def _waits_for_the_mute(self, handover: Handover) -> bool:
        """Whether an attempt is released, and never settled."""
        script, attempt, number = self._script, handover.view.attempt, _number(handover)
        missing = set(attempt.rosters.new) - attempt.acknowledged
        ends = HandoverWord.RELEASE, HandoverWord.ACKNOWLEDGE
        return attempt.is_released and any(
            script.is_gone(member) or script.is_mute(member, word, number)
            for member in missing
            for word in ends
        )

    @property
    def _wish_is_due(self) -> bool:
        left = self.wishes[self._closed :]
        return bool(left) and self.clock() >= max(left[0].at, self._not_before)

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
        if self._is_guest:
            return False
        keys = member.keys if member.vault.epochs() else None
        for due in due_tasks(board, member, keys, 0, lambda *given: []):
            session = read_session(due.session)
            if session.kind != "handover" or self._over.get(due.session, -1) >= due.since:
                continue
            if session.number == 0 and self.inheriting is None:
                self.inheriting = due.make()
                self.agent.tasks.add(self.inheriting, yields=True)
                return True
            if session.number > 0 and self.task is None:
                self._since = due.since
                self._add(None)
                return True
        return False

    def _type(self) -> bool:
        if not self._wish_is_due or (self.task is not None and self.task.wish is not None):
            return False
        heir = self.wishes[self._closed].heir
        self.typed.add(heir)
        if self.task is None:
            self._add(self._wish_of(heir))
            return True
        try:
            self.task.agree(self._wish_of(heir))
        except AnotherHandover as error:
            self.ends.append((True, error))
            self._typed_in_vain(error)
        return True

    def _add(self, wish: Wish | None) -> None:
        assert self.agent is not None
        now_ms = lambda: int(1000 * self.clock())  # noqa: E731
        task = MuteTask(self._index, OwnPlace(self._member), wish, self.clock, now_ms)
        task.script, self.task = self._script, task
        self.agent.tasks.add(task, yields=wish is None)


def _number(handover: Handover) -> int:
    return read_session(handover.about.session).number


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
