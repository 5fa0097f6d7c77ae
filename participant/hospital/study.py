"""One study as a hospital takes part in it: it approves, trains, contributes, helps to open sums.

As of ``Hospital``, each call holds the hospital's folder, and goes on from what is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from participant.agent import Snapshot
from participant.app import App, Show
from participant.disk import look
from participant.errors import MissingApp, NotAgreed
from participant.hospital.at_work import AtWork
from participant.hospital.beginning import TimeLeft, begin_app
from participant.hospital.results import Contributed, Decrypted, Event, Round
from participant.hospital.room import as_room_allows
from participant.network import Notices
from participant.rounds import DecryptionTask, Question, omissions_in
from participant.statistic import Numbers, StatisticTask, numbers_of, read_numbers
from participant.study import (
    ApprovalTask,
    EndingTask,
    GivenApp,
    ListingTask,
    StudyStanding,
    StudyTask,
    Surroundings,
    WithdrawalTask,
    find_study,
    given_app,
    kept_approval,
    standing_of,
)
from participant.training import Journal, TrainingTask

_SILENT = Notices()
_NO_VARIABLES: Mapping[str, str] = {}


class HospitalStudy:
    """A study by its name; nothing is known of it before the board is read.

    All raise UnknownStudy where nobody has proposed it.
    """

    def __init__(self, work: AtWork, name: str) -> None:
        """``Hospital.study`` makes one."""
        self._work, self.name = work, name

    def __repr__(self) -> str:
        return f"HospitalStudy({self.name!r})"

    async def standing(
        self, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> StudyStanding:
        """Its plan, who has approved what, and how far its rounds are."""
        work = self._work
        async with work.holding("study show", timeout, look) as is_writable:
            storage = work.member.storage if is_writable else Snapshot(work.member.storage)
            make = lambda: ListingTask(work.member.index)  # noqa: E731
            await work.work_on(make, timeout, notices, storage=storage)
            return await work.steps.do(self._standing)

    async def approve(
        self,
        app: App | GivenApp | str | Path | None = None,
        *,
        plan: bytes | None = None,
        contribute: bool | None = None,
        opens: bool = True,
        unpinned: bool = False,
        timeout: float | None = None,
        notices: Notices = _SILENT,
    ) -> StudyStanding:
        """Approve the plan; what is approved is done from the next opening on.

        app: the file or folder that ``train`` is to run, and no other from then on. plan: the
        digest of the plan that was looked at (``Study.digest``); None for what has the name.
        contribute: None for whether this hospital is among the plan's members. opens: whether to
        help to open its sums. unpinned: agrees to a plan that leaves the app open.
        Raises OtherPlan, OtherApp, UnpinnedApp, NotInStudy and StudyEnded.
        """
        member = self._work.member
        if contribute is False and not opens:
            raise ValueError("an approval is to contribute, to open, or both")

        def given() -> GivenApp | None:
            if app is None or isinstance(app, GivenApp):
                return app
            return given_app(app, Surroundings(self._errors))

        def make() -> ApprovalTask:
            return ApprovalTask(
                member.terms,
                member.index,
                self.name,
                member.storage,
                plan=plan,
                contribute=contribute,
                opens=opens,
                app=given(),
                unpinned=unpinned,
            )

        return await self._say("study approve", make, timeout, notices)

    async def withdraw(
        self, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> StudyStanding:
        """Take the approval back, from the next opening on.

        Raises NotApproved without one, and StudyEnded where nothing is opened any more.
        What this hospital has locked before, ``decrypt`` still helps to open.
        """
        member = self._work.member
        task = WithdrawalTask(member.terms, member.index, self.name, member.storage)
        return await self._say("study withdraw", lambda: task, timeout, notices)

    async def end(
        self, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> StudyStanding:
        """Vote to end the study; it ends with the votes of as many holders as lock a set."""
        member = self._work.member
        task = EndingTask(member.terms, member.index, self.name)
        return await self._say("study end", lambda: task, timeout, notices)

    async def train(
        self,
        app: App | str | Path | None = None,
        *,
        variables: Mapping[str, str] = _NO_VARIABLES,
        user: str | None = None,
        timeout: float | None = None,
        notices: Notices = _SILENT,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
        on_output: Show = lambda line, is_error: None,
    ) -> AsyncGenerator[Round, None]:
        """Take part in all rounds of training; gives each as it is done.

        app: an object with the functions of a Flower client, which is called in this process, or
        the Python file or folder that has them, which is run in a process of its own; None for the
        one that was approved. variables: of the environment of that process. user: of the machine,
        as whom it runs; None for this one. The work goes on while the caller is busy with a round,
        and ends where the caller leaves the loop. on_event: called with all that the command prints
        with ``--json``. on_output: with each line that the app's process prints, and whether on
        standard error. Raises BadApp for what the app raises and for answers that cannot be used,
        OtherApp for another app than was approved or planned, NotApproved, NoStart, StudyEnded, and
        Refused where this hospital does not help to decrypt.
        """
        loop, found = asyncio.get_running_loop(), asyncio.Queue[Round | None]()

        def tell(done: Round) -> None:
            loop.call_soon_threadsafe(found.put_nowait, done)

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(self._work.wake)

        storage = self._work.member.storage
        around = Surroundings(self._errors, variables, user, on_output, wake, storage)
        course = self._train(app, around, timeout, notices, on_event, tell)
        work = asyncio.create_task(course)
        work.add_done_callback(lambda _: found.put_nowait(None))
        try:
            while (done := await found.get()) is not None:
                yield done
            await work
        finally:
            work.cancel()
            await asyncio.wait([work])
            _ = work.cancelled() or work.exception()  # which nobody asks for who left the loop

    async def _train(
        self,
        app: App | str | Path | None,
        around: Surroundings,
        timeout: float | None,
        notices: Notices,
        on_event: Callable[[dict[str, Any]], None],
        done: Callable[[Round], object],
    ) -> None:
        work, member = self._work, self._work.member
        events: dict[int, list[Event]] = {}

        def show(event: dict[str, Any]) -> None:
            events.setdefault(event["round"], []).append(event)
            on_event(event)
            if event["event"] == "evaluated":
                done(self._round(event, events.pop(event["round"])))

        left, has_begun = TimeLeft(timeout, self.name, member.index), False

        async def train_all(seconds: float | None) -> None:
            nonlocal has_begun
            if not has_begun:
                await self._begin(given, left, notices)
                has_begun, seconds = True, left.seconds
            path = member.folder / "studies" / self.name / "rounds.jsonl"
            journal = Journal(path, self.name, work.traffic, show)
            place = member.terms, self.name, keys
            await work.work_on(
                lambda: TrainingTask(
                    *place, given, member.storage, member.model_secret, journal.record
                ),
                seconds,
                notices,
            )

        async with work.holding("train", timeout):
            keys = await work.steps.do(member.keys.read)
            given = await work.steps.do(lambda: self._app(app, around))
            try:
                await as_room_allows(work.folder, timeout, train_all, notices, work.steps)
            finally:
                await asyncio.to_thread(given.close)

    async def _begin(self, given: GivenApp, left: TimeLeft, notices: Notices) -> None:
        """Have the app begin, once the board is known."""
        work = self._work
        await work.work_on(lambda: ListingTask(work.member.index), left.seconds, notices)
        assert work.session is not None
        about = given, self.name, work.member, work.session.agent.board
        await left.wait_for(asyncio.to_thread(begin_app, *about))

    def _app(self, app: App | str | Path | None, around: Surroundings) -> GivenApp:
        """What is given now, or was given with the approval; raises MissingApp."""
        if app is not None:
            return given_app(app, around)
        kept = kept_approval(self._work.member.storage, self.name)
        if kept is None or not kept.app:
            raise MissingApp(self.name)
        return given_app(kept.app, around)

    @property
    def _errors(self) -> Path:
        """Where the tracebacks of an app's errors go."""
        return self._work.folder / "errors"

    def _round(self, event: Event, events: Sequence[Event]) -> Round:
        number = event["round"]
        (ended,) = (e for e in events if e["event"] == "decrypted")
        task = self._work.task
        assert isinstance(task, TrainingTask)
        return Round(
            self.name,
            number,
            tuple(map(self._work.terms.name_of, ended["contributors"])),
            event["loss"],
            event["examples"],
            event["metrics"],
            tuple(events),
            lambda: task.parameters_after(number),
        )

    async def contribute(
        self,
        numbers: str | Path | Mapping[str, object] | Sequence[object] | Numbers,
        *,
        timeout: float | None = None,
        notices: Notices = _SILENT,
    ) -> Contributed:
        """Contribute numbers to a statistic, of which the sums alone are decrypted.

        numbers: a file of them, or int, float or Decimal, with the plan's labels as keys or without
        any. The numbers leave encrypted. Raises UnfitNumbers for what cannot be contributed,
        NotApproved, ApprovedLate and StudyEnded.
        """
        work, member = self._work, self._work.member

        def make() -> StatisticTask:
            keys = member.keys.read()
            if isinstance(numbers, Numbers):
                found = numbers
            elif isinstance(numbers, str | Path):
                found = read_numbers(Path(numbers), keys.current.epoch.joint_key().n)
            else:
                found = numbers_of(numbers)
            place = member.terms, self.name, keys, found, member.storage
            return StatisticTask(*place, member.number_secret)

        async with work.holding("contribute", timeout):
            task = await work.work_on(make, timeout, notices)
        found = omissions_in(task.view, work.terms, member.index)
        own = tuple(one for one in found if one["is_own"])
        return Contributed(self.name, task.sent, task.plan.length, task.plan.decimals, own)

    async def decrypt(
        self,
        number: int | None = None,
        *,
        approve: Callable[[Question], bool],
        timeout: float | None = None,
        notices: Notices = _SILENT,
    ) -> Decrypted:
        """Help to decrypt the sum of one round.

        number: of the round; None for the last that was opened. approve: is shown what is about to
        be decrypted, and agrees with True. Raises what it raises, NotAgreed for any other answer,
        Refused where the rules forbid to help, NotApproved and StudyEnded.
        """

        def answers(question: Question) -> bool:
            return approve(question) is True  # a coroutine would pass for an agreement

        return await self.decrypt_once(answers, number, timeout, notices)

    async def decrypt_once(
        self,
        answers: Callable[[Question], bool | None],
        number: int | None,
        timeout: float | None,
        notices: Notices,
    ) -> Decrypted:
        """As ``decrypt``, where who is asked may answer later, and None says that nobody has yet.

        The hospital's other tasks go on meanwhile, where it has any.
        """
        work, member = self._work, self._work.member
        if number is not None and number < 1:
            raise ValueError("rounds are numbered from 1")

        def agrees(question: Question) -> bool | None:
            if (answer := answers(question)) is False:
                raise NotAgreed(f"to decrypt round {question.round_name}")
            return answer

        def make() -> DecryptionTask:
            place = member.terms, self.name, number
            return DecryptionTask(*place, member.keys.read(), member.storage, agrees)

        async with work.holding("decrypt", timeout):
            task = await work.work_on(make, timeout, notices)
            return await work.steps.do(lambda: self._decrypted(task))

    def _decrypted(self, task: DecryptionTask) -> Decrypted:
        member = self._work.member
        name_of, found = member.terms.name_of, task.member
        return Decrypted(
            found.view.name,
            found.study.kind,
            found.is_reader,
            tuple(map(name_of, found.view.contributors)),
            task.labels,
            None if (sums := task.sums) is None else tuple(sums),
            tuple(map(name_of, found.wrong_partials)),
            tuple(
                {"about": name_of(c.about), "by": name_of(c.by), "entry": c.entry}
                | {"verdict": c.verdict}
                for c in found.complaints()
            ),
            omissions_in(found.view, member.terms, member.index),
        )

    async def _say(
        self, command: str, make: Callable[[], StudyTask], timeout: float | None, notices: Notices
    ) -> StudyStanding:
        """Say one word of the study; how it stands then."""
        async with self._work.holding(command, timeout):
            await self._work.work_on(make, timeout, notices)
            return await self._work.steps.do(self._standing)

    def _standing(self) -> StudyStanding:
        session = self._work.session
        assert session is not None
        board = session.agent.board
        return standing_of(board, find_study(board, self.name), self._work.member.index)
