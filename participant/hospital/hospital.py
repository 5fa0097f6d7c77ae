"""A hospital inside any program: its work as coroutines, in the event loop that awaits them.

Nothing here puts a signal handler in place, begins an event loop, writes to a stream or reads from
one. What takes long is done in a thread that each hospital has, one step after the other, and so
are the calls of an app, of ``approve`` and of ``on_event``. The other notices come in the loop.

Each call holds the hospital's folder of its federation from beginning to end, against other
processes and other calls. It may be cancelled at any moment, by hand or by a time limit: what
matters is durable by then, and the same call goes on from there. A step that is under way when its
call is cancelled, such as an app's ``fit``, goes on to its end in its thread. The folder is held
until then, and the next call waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any

from keyshare.randomness import Stream
from keyshare.rounds import MAX_DECIMALS
from participant.agent import Snapshot
from participant.app import App, AppApart, AppFile, Show, app_of
from participant.ceremony import CeremonyProgress, CeremonyTask, VerdictTask
from participant.disk import look
from participant.errors import NotAgreed, OutOfTime
from participant.home import Passphrase, checked, enter, finish, home_folder, read_signed_terms
from participant.hospital.at_work import AtWork
from participant.hospital.results import Checked, Contributed, Decrypted, Event, Exported, Round
from participant.hospital.room import as_room_allows
from participant.key import KeyCheckTask, ShareNotWhole
from participant.network import Notices, ask_aggregator, local_facts
from participant.record import RecordOutput, RecordProgress, RecordTask
from participant.rounds import DecryptionTask, Question, omissions_in
from participant.statistic import StatisticTask, numbers_of, read_numbers
from participant.training import Journal, TrainingTask
from protocol.key import NONCE_BYTES, Epoch, is_whole
from protocol.record import prepare

_SILENT = Notices()
_LATECOMERS_SECONDS = 10.0  # that a check waits for the others once a quorum is there
EVIDENCE_SECONDS = 30.0  # without another entry or seed
NUMBER_OF_ROUND = re.compile(r"[1-9][0-9]{0,8}")
NAME_OF_STATISTIC = re.compile(r"[a-z][a-z0-9._-]{0,63}")


class Hospital(AtWork):
    """One member of a federation, at work.

    ::

        hospital = Hospital.open("federation.toml", passphrase="...")
        await hospital.ceremony()
        async for done in hospital.train(app):
            print(done.number, done.loss)

    ``timeout`` is in seconds, None for ever; OutOfTime is raised once they are over. All raise
    AlreadyRunning if the folder is at work elsewhere, and ParticipantError for what went wrong.
    """

    @classmethod
    def open(
        cls,
        federation: str | Path,
        *,
        passphrase: str | Passphrase | Callable[[], str],
        home: str | Path | None = None,
    ) -> Hospital:
        """The hospital whose identity is in ``home``, in the federation with these signed terms.

        passphrase: of the home, or what is called for it once the terms have been read. home: else
        $QUORATE_HOME, else ~/.quorate. Opening the identity takes about 0.1 s. Raises what is
        wrong with the files, WrongPassphrase, and NotAMember.
        """
        terms = read_signed_terms(Path(federation))
        folder = home_folder(None if home is None else Path(home))
        finish(folder)  # a change of the passphrase that was broken off, if there is one
        given = passphrase() if callable(passphrase) else passphrase
        if not isinstance(given, str | Passphrase):
            raise TypeError(f"a passphrase is a text, not {type(given).__name__}")
        if isinstance(given, str):
            given = checked(given, "the program", False)
        return cls(enter(terms, folder, given))

    def __repr__(self) -> str:
        return f"Hospital({self.member.identity.name!r} in {self.terms.name!r})"

    @property
    def has_key(self) -> bool:
        """Whether there is a key share here; needs no passphrase."""
        return bool(self.member.vault.epochs())

    @property
    def progress(self) -> CeremonyProgress | None:
        """Where the ceremony stands that is, or was, at work; None before it is known which."""
        return self.task.progress if isinstance(self.task, CeremonyTask) else None

    @property
    def reading(self) -> RecordProgress | None:
        """How much of the board the export has read; None if none is, or was, at work."""
        return self.task.progress if isinstance(self.task, RecordTask) else None

    async def ceremony(self, *, timeout: float | None = None, notices: Notices = _SILENT) -> Epoch:
        """Make the joint key with all other members; the key, which may be there already.

        Raises CeremonyFailed if it was aborted: ``evidence`` says by whose fault.
        """
        member = self.member

        def known() -> Epoch:
            epoch, _ = member.held_key()
            member.vault.forget_seed(f"ceremony/{epoch.number}")
            return epoch

        async def make_key(seconds: float | None) -> Epoch:
            make = lambda: CeremonyTask(member.terms, member.index, member.secrets)  # noqa: E731
            task = await self.work_on(make, seconds, notices)
            assert task.epoch is not None
            return task.epoch

        async with self.holding("ceremony", timeout):
            if await self.steps.do(member.vault.epochs):
                return await self.steps.do(known)
            return await as_room_allows(self.folder, timeout, make_key, notices, self.steps)

    async def evidence(
        self, session: str = "", *, timeout: float = EVIDENCE_SECONDS, notices: Notices = _SILENT
    ) -> VerdictTask:
        """What the board shows of a ceremony that was aborted; the last one, if none is named.

        Its ``verdict()`` computes as much as all members have computed in the ceremony. The seeds
        of members that have not disclosed them after ``timeout`` are not in it. Raises NotAborted.
        """
        async with self.holding("verdict", timeout):
            task, read = VerdictTask(self.terms, session), 0
            while True:
                try:
                    return await self.work_on(lambda: task, timeout, notices)
                except OutOfTime:
                    if task.has_read:
                        return task
                    if task.n_read == read:  # nothing came in all that time
                        raise
                    read = task.n_read

    async def train(
        self,
        app: App | AppFile | str | Path,
        *,
        timeout: float | None = None,
        new_model_after: int | None = None,
        notices: Notices = _SILENT,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
        on_output: Show = lambda line, is_error: None,
    ) -> AsyncGenerator[Round, None]:
        """Take part in all rounds of training; gives each as it is done.

        app: an object with the functions of a Flower client, which is called in this process, or
        the Python file that has them, which is run in a process of its own. The work goes on while
        the caller is busy with a round, and ends where the caller leaves the loop.
        new_model_after: a round after which the app's initial parameters are the model. on_event:
        called with all that the command prints with ``--json``. on_output: with each line that the
        app's process prints, and whether on standard error. Raises BadApp for what the app raises
        and for answers that cannot be used, and Refused where this hospital does not help to
        decrypt.
        """
        loop, found = asyncio.get_running_loop(), asyncio.Queue[Round | None]()

        def tell(done: Round) -> None:
            loop.call_soon_threadsafe(found.put_nowait, done)

        course = self._train(app, timeout, new_model_after, notices, on_event, on_output, tell)
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
        app: App | AppFile | str | Path,
        timeout: float | None,
        new_model_after: int | None,
        notices: Notices,
        on_event: Callable[[dict[str, Any]], None],
        on_output: Show,
        done: Callable[[Round], object],
    ) -> None:
        member, rounds = self.member, self.terms.rounds.count
        if new_model_after is not None and not 0 < new_model_after < rounds:
            raise ValueError(f"new_model_after must be from 1 to {rounds - 1}, or None")
        events: dict[int, list[Event]] = {}

        def show(event: dict[str, Any]) -> None:
            events.setdefault(event["round"], []).append(event)
            on_event(event)
            if event["event"] == "evaluated":
                done(self._round(event, events.pop(event["round"])))

        async def train_all(seconds: float | None) -> None:
            journal = Journal(member.folder / "models" / "rounds.jsonl", self.traffic, show)
            await self.work_on(
                lambda: TrainingTask(
                    member.terms, secret, loaded, member.storage, journal.record, new_model_after
                ),
                seconds,
                notices,
            )

        async with self.holding("train", timeout):
            secret = await self.steps.do(member.held_key)
            async with self._loaded(app, on_output) as loaded:
                await as_room_allows(self.folder, timeout, train_all, notices, self.steps)

    @contextlib.asynccontextmanager
    async def _loaded(self, app: App | AppFile | str | Path, on_output: Show) -> AsyncIterator[App]:
        """The app to call; one in a process of its own ends with the block."""
        errors = self.folder / "errors"
        file = AppFile(Path(app)) if isinstance(app, str | Path) else app
        if not isinstance(file, AppFile):
            yield await self.steps.do(lambda: app_of(app, errors))
            return
        about = {"federation": self.terms.name, "rounds": self.terms.rounds.count}
        apart = AppApart(file, errors, about, on_output)
        try:
            await self.steps.do(apart.start)
            yield apart
        finally:
            await asyncio.to_thread(apart.close)

    def _round(self, event: Event, events: Sequence[Event]) -> Round:
        number = event["round"]
        (ended,) = (e for e in events if e["event"] == "decrypted")
        task = self.task
        assert isinstance(task, TrainingTask)
        return Round(
            number,
            tuple(map(self.terms.name_of, ended["contributors"])),
            event["loss"],
            event["examples"],
            event["metrics"],
            tuple(events),
            lambda: task.parameters_after(number),
        )

    async def contribute(
        self,
        name: str,
        numbers: str | Path | Mapping[str, object] | Sequence[object],
        *,
        decimals: int | None = None,
        timeout: float | None = None,
        notices: Notices = _SILENT,
    ) -> Contributed:
        """Contribute numbers to a statistic round, of which the sums alone are decrypted.

        numbers: a file of them, or int, float or Decimal, with labels as keys or without. The
        numbers leave encrypted. Their labels, how many they are and their decimals do not.
        decimals: of all numbers of the round; None for what the round has, or what these need.
        Raises UnfitNumbers for what cannot be contributed, ValueError for another name or scale.
        """
        member = self.member
        if not NAME_OF_STATISTIC.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a statistic")
        decimals = None if decimals is None else int(index(decimals))  # a post takes an int alone
        if decimals is not None and not 0 <= decimals <= MAX_DECIMALS:
            raise ValueError(f"decimals must be from 0 to {MAX_DECIMALS}, or None")

        def make() -> StatisticTask:
            secret = member.held_key()
            if isinstance(numbers, str | Path):
                found = read_numbers(Path(numbers), secret[0].joint_key().n)
            else:
                found = numbers_of(numbers)
            return StatisticTask(member.terms, secret, name, found, member.storage, decimals)

        async with self.holding("contribute", timeout):
            task = await self.work_on(make, timeout, notices)
        found = omissions_in(task.view, self.terms, member.index)
        own = tuple(one for one in found if one["is_own"])
        return Contributed(name, task.sent, task.request.length, task.request.decimals, own)

    async def decrypt(
        self,
        name: str,
        *,
        approve: Callable[[Question], bool],
        timeout: float | None = None,
        notices: Notices = _SILENT,
    ) -> Decrypted:
        """Help to decrypt the sum of one round: its number, or a statistic's name.

        approve: is shown what is about to be decrypted, and agrees with True. Raises what it
        raises, NotAgreed for any other answer, and Refused where the rules forbid to help.
        """
        member = self.member
        if not (NUMBER_OF_ROUND.fullmatch(name) or NAME_OF_STATISTIC.fullmatch(name)):
            raise ValueError(f"{name!r} is neither a round's number nor a statistic's name")

        def agrees(question: Question) -> bool:
            if approve(question) is not True:  # a coroutine would pass for an agreement
                raise NotAgreed(f"to decrypt round {question.round_name}")
            return True

        async with self.holding("decrypt", timeout):
            task = await self.work_on(
                lambda: DecryptionTask(
                    member.terms, member.held_key(), name, member.storage, agrees
                ),
                timeout,
                notices,
            )
        name_of, view = member.terms.name_of, task.member.view
        opening, closing = view.terms_of_opening, view.closed
        assert opening is not None and closing is not None
        return Decrypted(
            view.name,
            opening.kind,
            tuple(name_of(c.member) for c in closing.contributors),
            task.labels,
            tuple(task.sums) if opening.kind == "statistic" else None,
            tuple(map(name_of, task.member.wrong_partials)),
            tuple(
                {"about": name_of(c.about), "by": name_of(c.by), "entry": c.entry}
                | {"verdict": c.verdict}
                for c in task.member.complaints()
            ),
            omissions_in(view, member.terms, member.index),
        )

    def check_share(self) -> Epoch:
        """Check that this hospital's key share is whole; the key. Raises ShareNotWhole."""
        epoch, secret = self.member.held_key()
        nonce, stream = secrets.token_bytes(NONCE_BYTES), Stream(secrets.token_bytes(32))
        if not is_whole(epoch, secret, nonce, stream):
            raise ShareNotWhole(self.member.vault.folder, epoch.number)
        return epoch

    async def check_key(
        self, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> Checked:
        """Decrypt a test value with the members who do so now.

        Ends once a quorum's parts are good and the others have had 10 s more, or all are there, or
        the time is over. Raises OutOfTime where not even the own part got through.
        """
        async with self.holding("key check", timeout):
            secret = await self.steps.do(self.member.held_key)
            task = KeyCheckTask(self.terms, secret, int(time.time() * 1000))
            if await self._until_done(task, timeout, notices) and task.missing:
                task.waits_for_all = True
                await self._until_done(task, _LATECOMERS_SECONDS, notices)
        found = task.check
        assert found is not None
        good, wrong = tuple(sorted(found.good)), dict(sorted(found.wrong.items()))
        return Checked(found.session, good, wrong, task.missing, found.decrypts)

    async def _until_done(
        self, task: KeyCheckTask, seconds: float | None, notices: Notices
    ) -> bool:
        """Whether it is done before the time is over; raises OutOfTime without the own part."""
        try:
            await self.work_on(lambda: task, seconds, notices)
        except OutOfTime:
            if task.check is None or self.member.index not in task.check.heard:
                raise
        return task.done

    async def export(
        self, folder: str | Path, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> Exported:
        """Write all that an auditor needs into a folder, and countersign it; no secret is in it.

        Raises NotThisRecord, UnfitHead and Fork for what is in the folder already.
        """
        member = self.member

        def make() -> RecordTask:
            files = RecordOutput(Path(folder))
            prepare(files, member.terms, member.signatures)
            return RecordTask(member.terms, member.index, member.identity.signing_key, files)

        async with self.holding("export", timeout, look) as is_writable:
            storage = member.storage if is_writable else Snapshot(member.storage)
            task = await self.work_on(make, timeout, notices, storage=storage)
            assert self.session is not None and task.head is not None
            await self.steps.do(self.session.agent.remember_head)
        heads = {member.terms.name_of(said.member): said.position for said in task.heads}
        head, fetched = task.head, task.fetching.total
        return Exported(head.position, head.hash.hex(), fetched, heads, is_writable)

    def holdings(self) -> dict[str, Any]:
        """What lies in this hospital's folder, as ``status --json`` prints it; no secret."""
        return local_facts(self.member)

    async def status(self) -> dict[str, Any]:
        """How the federation stands, as the running aggregator says; raises Unreachable."""
        return await ask_aggregator(self.member)
