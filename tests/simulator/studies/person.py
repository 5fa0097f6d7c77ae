"""Whoever types a hospital's commands: what it says of studies, and the work that follows.

A command that a crash has cut short is typed again. A person waits for no study for ever: at the
end of its patience it votes to end what is not done.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from decimal import Decimal
from math import inf, nextafter
from typing import NamedTuple

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.app.calls import App
from participant.errors import RetiredShare
from participant.model.file import model_name
from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from participant.study.tasks import ApprovalTask, EndingTask, ProposalTask, WithdrawalTask
from protocol.board.study import StudyState
from protocol.key.epoch import HeldKeys
from protocol.messages.rounds import Opening, Partial
from protocol.rounds.awaited import is_lost
from protocol.rounds.view import RoundView
from protocol.terms.terms import Terms
from tests.simulator.disk import Disk
from tests.simulator.studies.clocked import ClockedTask
from tests.simulator.studies.script import StudyScript, Word
from tests.stage.toy import model_secret, number_secret

WORK = ("train", "give", "help")
Event = Callable[[str, int, str, dict[str, object]], None]


class Job(NamedTuple):
    """Something that is typed once: ``round`` of a decryption, ``turn``: words said before it."""

    study: str
    what: str
    round: int = 0
    turn: int = 0
    variant: int = 0


class Person:
    """At one hospital; ``ended``: how each of its jobs ended, None for a good end."""

    def __init__(
        self,
        terms: Terms,
        index: int,
        disk: Disk,
        scripts: tuple[StudyScript, ...],
        app: Callable[[StudyScript], App],
        tell: Event,
        patience: float,
    ) -> None:
        """patience: virtual seconds from the key on."""
        self._terms, self._index, self._disk = terms, index, disk
        self.scripts, self._app, self._tell = scripts, app, tell
        self._jobs = {script: _words_of(script, index) for script in scripts}
        words = [word.at for script in scripts for word in script.says(index)]
        self._patience = patience
        self._times = sorted([*words, nextafter(patience, inf)])
        self._idle: tuple[object, ...] = ()  # when nothing was due
        self._open: tuple[object, ...] = ()  # when not all was done
        self.clock: Callable[[], float] = lambda: 0.0
        self.began: float | None = None  # when it had its key share
        self.number_secret, self.model_secret = number_secret(index), model_secret(index)
        self.ended: dict[Job, Exception | None] = {}
        self._ran: dict[tuple[str, str, int], list[Job]] = {}  # the same, by study, what and round
        self.sums: dict[str, list[Decimal]] = {}
        self._running: dict[Task, Job] = {}
        self.agent: Agent | None = None
        self._keys: HeldKeys | None = None

    def come(self, agent: Agent, keys: HeldKeys) -> None:
        """The hospital's program has begun, anew after each crash."""
        self.agent, self._keys, self._running = agent, keys, {}
        self.began = self.clock() if self.began is None else self.began

    def leave(self) -> None:
        """Nobody here has anything to say of studies."""
        self.scripts, self._jobs, self._times = (), {}, []

    def over(self, task: Task, error: Exception | None) -> None:
        """A task of the agent has ended."""
        job = self._running.pop(task)
        self._note(job, error)
        if isinstance(task, DecryptionTask) and error is None and task.sums is not None:
            self.sums[job.study] = task.sums

    def _note(self, job: Job, error: Exception | None) -> None:
        self.ended[job] = error
        self._ran.setdefault((job.study, job.what, job.round), []).append(job)

    def look(self) -> bool:
        """Type what is due; whether anything was."""
        if (seen := self._seen()) == self._idle:
            return False
        any_typed = False
        for job in list(self._due()):
            if self._is_typed(job):
                continue
            any_typed = True
            try:
                task = self._task(job)
            except RetiredShare as error:
                self._note(job, error)
                continue
            self._running[task] = job
            assert self.agent is not None
            self.agent.tasks.add(task)
        self._idle = () if any_typed else seen
        return any_typed

    def _seen(self) -> tuple[object, ...]:
        """All that ``_due`` and ``_is_typed`` look at: where it is as it was, nothing else is due.

        Of the disk, which models are there; of the time, which words it has come to.
        """
        assert self.agent is not None
        now = self._now
        come = bisect_right(self._times, now)
        jobs, files = (len(self.ended), *self._running.values()), tuple(self._disk.files)
        return self.agent, len(self.agent.board.entries), come, files, jobs

    @property
    def is_done(self) -> bool:
        """Whether every study has come to an end here, and all that was to be typed has been."""
        if self.agent is None or self._running or self.agent.is_sending:
            return False
        if (seen := self._seen()) == self._open:
            return False
        is_over = all(self._is_over(script) for script in self.scripts) and not list(self._due())
        self._open = () if is_over else seen
        return is_over

    def has_finished(self, script: StudyScript) -> bool:
        """Whether the work of a study was done here to its good end."""
        ends = "train", "help"
        last = [job for job in self.ended if job.study == script.name and job.what in ends]
        return any(self.ended[job] is None and job.round in (0, script.rounds) for job in last)

    def words_said(self, name: str) -> list[Word]:
        """Those that have come to their end, of a study."""
        return [
            word
            for script in self.scripts
            if script.name == name
            for turn, word in enumerate(script.says(self._index))
            if Job(name, word.what, 0, turn, script.variant) in self.ended
        ]

    # ── what is due ──

    @property
    def _now(self) -> float:
        return self.clock() - (self.began or 0.0)

    def _is_typed(self, job: Job) -> bool:
        """Whether a job has ended, or one like it runs: what an earlier approval asked for."""
        running = {(one.study, one.what, one.round) for one in self._running.values()}
        talks = {one.study for one in self._running.values() if one.what not in WORK}
        waits = job.what not in WORK and job.study in talks  # for the word before
        return job in self.ended or (job.study, job.what, job.round) in running or waits

    def _due(self) -> Iterator[Job]:
        for script in self.scripts:
            yield from (job for job in self._due_of(script) if job not in self.ended)

    def _due_of(self, script: StudyScript) -> Iterator[Job]:
        """The next word; the work that an approval asks for beside it."""
        words = script.says(self._index)
        jobs = self._jobs[script]
        said = [job for job in jobs if job in self.ended]
        state = self._state(script)
        if len(said) < len(words) and words[len(said)].at <= self._now:
            job = jobs[len(said)]
            if state is not None or (job.what == "propose" and self._can_propose(script)):
                yield job
                return
        if state is None or script.variant:
            return
        if self._now > self._patience and not self._is_over(script):
            yield Job(script.name, "end", 0, len(words))
        yield from self._work(script, len(said))

    def _work(self, script: StudyScript, turn: int) -> Iterator[Job]:
        """Of who has approved: to train, or to give numbers and then to help with the sum."""
        state = self._state(script)
        assert state is not None
        if not state.has_approved(self._index):
            return
        running = self._running.values()
        if any(one.study == script.name and one.what in WORK for one in running):
            return  # two commands at once would speak in one session
        contributes = state.contributes(self._index)
        if script.kind == "training":
            if contributes or self._has_run(script, "train"):
                is_typed = self._has_run(script, "train", turn) or self._succeeded(script, "train")
                if not is_typed and self._can_begin(script):
                    yield Job(script.name, "train", 0, turn)
                return
        elif contributes and not self._has_run(script, "give"):
            yield Job(script.name, "give", 0, turn)
            return
        for number in range(1, script.rounds + 1):
            if self._is_open(script, number) and not self._has_run(script, "help", turn, number):
                if not self._succeeded(script, "help", number):
                    yield Job(script.name, "help", number, turn)
                return

    def kept_before(self, name: str) -> bytes | None:
        """What this hospital has under a name of the federation before, if there is one."""
        return next((disk.read(name) for disk in self._disk.beside.values()), None)

    def _can_propose(self, script: StudyScript) -> bool:
        """Whether the study that it starts from is on the board; a plan would be refused else."""
        assert self.agent is not None
        if script.before:
            return self._knows_start(script)
        return not script.after[0] or script.after[0] in self.agent.board.studies

    def _can_begin(self, script: StudyScript) -> bool:
        """Whether the model is here that the study starts from."""
        if script.before:
            return self.kept_before(model_name(*script.after)) is not None
        return not script.after[0] or self._disk.read(model_name(*script.after)) is not None

    def _knows_start(self, script: StudyScript) -> bool:
        """Whether the model of a federation before was taken over."""
        assert self.agent is not None
        work = script.study(self._terms).training
        return self.agent.board.key.inheritance.model_of(work) is not None

    def _is_unknown(self, script: StudyScript) -> bool:
        """Whether no plan can ever start from that model of a federation before."""
        assert self.agent is not None
        counts = self.agent.board.key.inheritance.epoch is not None
        return script.before and counts and not self._knows_start(script)

    def _has_run(
        self, script: StudyScript, what: str, turn: int | None = None, number: int = 0
    ) -> bool:
        ran = self._ran.get((script.name, what, number), ())
        return any(turn is None or job.turn == turn for job in ran)

    def _succeeded(self, script: StudyScript, what: str, number: int = 0) -> bool:
        ran = self._ran.get((script.name, what, number), ())
        return any(self.ended[job] is None for job in ran)

    def _is_open(self, script: StudyScript, number: int) -> bool:
        assert self.agent is not None
        entries = self.agent.board.session(f"study/{script.name}/{number}")
        return any(isinstance(p.post.body, Opening) for p in entries)

    def _is_over(self, script: StudyScript) -> bool:
        """Whether nothing of it is to come here: it is done or ended, or it is others' alone.

        Whoever has not approved waits for nothing, but votes with the others in the end.
        """
        if any(word.at > self._now for word in script.says(self._index)):
            return False
        if (state := self._state(script)) is None:
            return self._is_unknown(script) or not any(
                word.what == "propose" for word in script.words
            )
        if script.variant or state.is_ended() or self.has_finished(script):
            return True
        # Perhaps without this hospital, which could not take part.
        if self._is_opened(script) or self._is_lost(script):
            return not any(job.study == script.name for job in self._running.values())
        is_in = state.contributes(self._index) or state.opens(self._index)
        return not is_in and self._now < self._patience

    def _is_opened(self, script: StudyScript) -> bool:
        """Whether a quorum's parts of the last round's sum are there."""
        assert self.agent is not None
        entries = self.agent.board.session(f"study/{script.name}/{script.rounds}")
        parts = [p for p in entries if isinstance(p.post.body, Partial)]
        return len(parts) >= self._terms.quorum

    def _is_lost(self, script: StudyScript) -> bool:
        """Whether a refresh ended the last round of a training: it keeps the model of before.

        A statistic has no sum then, and is ended by votes.
        """
        assert self.agent is not None
        session, board = f"study/{script.name}/{script.rounds}", self.agent.board
        view = RoundView.of(session, board.session(session))
        return script.kind == "training" and is_lost(view, board.key.handovers, self._terms)

    def _state(self, script: StudyScript) -> StudyState | None:
        assert self.agent is not None
        return self.agent.board.studies.get(script.name)

    # ── what is typed ──

    def _task(self, job: Job) -> Task:
        terms, index, disk = self._terms, self._index, self._disk
        script = next(s for s in self.scripts if (s.name, s.variant) == (job.study, job.variant))
        if job.what == "propose":
            return ProposalTask(terms, index, job.study, script.study(terms).plan)
        if job.what == "withdraw":
            return WithdrawalTask(terms, index, job.study, disk)
        if job.what == "end":
            return EndingTask(terms, index, job.study)
        if job.what in ("approve", "contribute", "open"):
            add, opens = job.what != "open", job.what != "contribute"
            return ApprovalTask(
                terms, index, job.study, disk, contribute=add, opens=opens, unpinned=True
            )
        assert self._keys is not None
        if job.what == "train":
            tell = lambda number, name, facts: self._tell(job.study, number, name, facts)  # noqa: E731
            app = self._app(script)
            place = terms, job.study, self._keys, app, disk, self.model_secret
            task = ClockedTask(*place, tell)
            task.now = self.clock
            return task
        if job.what == "give":
            numbers = Numbers("numbers", numbers_of(script, index))
            return StatisticTask(terms, job.study, self._keys, numbers, disk, self.number_secret)
        return DecryptionTask(terms, job.study, job.round, self._keys, disk, lambda question: True)


def _words_of(script: StudyScript, index: int) -> list[Job]:
    """What a hospital is to say of a study, in order."""
    words = enumerate(script.says(index))
    return [Job(script.name, word.what, 0, turn, script.variant) for turn, word in words]


def numbers_of(script: StudyScript, index: int) -> tuple[Decimal, ...]:
    """What a hospital contributes to a statistic: the same to all of one source."""
    return Decimal(10**index + script.source * 10**7), Decimal(100 * script.source + index)
