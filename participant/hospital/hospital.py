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

import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keyshare.randomness import Stream
from participant.agent import Snapshot
from participant.ceremony import CeremonyProgress, CeremonyTask, VerdictTask
from participant.disk import look
from participant.errors import OutOfTime
from participant.handover import Wish, handover_task
from participant.home import (
    Passphrase,
    checked,
    enter,
    finish,
    home_folder,
    now_ms,
    read_signed_terms,
)
from participant.hospital.at_work import AtWork
from participant.hospital.results import Checked, Exported
from participant.hospital.room import as_room_allows
from participant.hospital.study import HospitalStudy
from participant.key import KeyCheckTask, ShareNotWhole
from participant.network import Notices, ask_aggregator, local_facts, open_store
from participant.record import RecordOutput, RecordProgress, RecordTask
from participant.rounds import DecryptionTask
from participant.study import ListingTask, ProposalTask, StudyStanding, read_plan
from protocol.board import Study
from protocol.key import Epoch
from protocol.key_check import NONCE_BYTES, is_whole
from protocol.messages import NAME
from protocol.record import prepare

_SILENT = Notices()
_LATECOMERS_SECONDS = 10.0  # that a check waits for the others once a quorum is there
EVIDENCE_SECONDS = 30.0  # without another entry or seed
NAME_OF_STUDY = re.compile(NAME)


class Hospital(AtWork):
    """One member of a federation, at work.

    ::

        hospital = Hospital.open("federation.toml", passphrase="...")
        await hospital.ceremony()
        await hospital.study("cardio").approve("app.py")
        async for done in hospital.study("cardio").train():
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
        keep_models: int | None = None,
        blobs_from: str | None = None,
    ) -> Hospital:
        """The hospital whose identity is in ``home``, in the federation with these signed terms.

        passphrase: of the home, or what is called for it once the terms have been read. home: else
        $QUORATE_HOME, else ~/.quorate. keep_models: so many of each study, the newest, 2 or more;
        older ones are deleted while it works. None for all. blobs_from: the URL of the aggregator's
        object store, as its operator says, for large blobs; it needs the extra ``direct``. Opening
        the identity takes about 0.1 s.
        Raises what is wrong with the files, WrongPassphrase, NotAMember, and BadBlobSource.
        """
        terms = read_signed_terms(Path(federation))
        folder = home_folder(None if home is None else Path(home))
        finish(folder)  # a change of the passphrase that was broken off, if there is one
        given = passphrase() if callable(passphrase) else passphrase
        if not isinstance(given, str | Passphrase):
            raise TypeError(f"a passphrase is a text, not {type(given).__name__}")
        if isinstance(given, str):
            given = checked(given, "the program", False)
        store = open_store(blobs_from)
        return cls(enter(terms, folder, given), keep_models=keep_models, direct=store)

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
    def round_is_open(self) -> bool | None:
        """Whether the round is open whose sum is, or was, to be decrypted; None if not known."""
        return self.task.is_open if isinstance(self.task, DecryptionTask) else None

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
            return member.settled_keys().current.epoch

        async def make_key(seconds: float | None) -> Epoch:
            make = lambda: CeremonyTask(member.terms, member.index, member.secrets)  # noqa: E731
            task = await self.work_on(make, seconds, notices)
            assert task.epoch is not None
            return task.epoch

        async with self.holding("ceremony", timeout):
            if await self.steps.do(member.vault.epochs):
                return await self.steps.do(known)
            return await as_room_allows(self.folder, timeout, make_key, notices, self.steps)

    async def hand_over(
        self, wish: Wish | None = None, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> Epoch:
        """Take part in handing the key over to new terms; the key's new epoch.

        Without a ``wish`` all members take new shares of it. This hospital agrees by that. It may
        have been done while the others typed the same. Raises HandoverGivenUp if the old members
        have given it up, and AnotherHandover where they have agreed to another one.
        """
        member, wished = self.member, wish or Wish(self.terms)
        async with self.holding("handover" if wish else "key refresh", timeout):
            make = lambda: handover_task(member, wished)  # noqa: E731
            task = await self.work_on(make, timeout, notices)
            assert task.handover is not None
            assert task.handover.view.epoch is not None  # it was held
            return task.handover.view.epoch

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

    def study(self, name: str) -> HospitalStudy:
        """A study that was proposed under this name, or will be; ValueError if none can be."""
        if not NAME_OF_STUDY.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a study")
        return HospitalStudy(self, name)

    async def propose(
        self, plan: str | Path | Study, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> HospitalStudy:
        """Propose a study, from the file of its plan; nothing is approved by that.

        Raises BadPlan for a plan that this federation cannot have, and StudyTaken where another
        plan has the name.
        """
        terms, index = self.terms, self.member.index

        def make() -> ProposalTask:
            found = plan if isinstance(plan, Study) else read_plan(Path(plan), terms)
            return ProposalTask(terms, index, found.name, found.plan)

        async with self.holding("study propose", timeout):
            task = await self.work_on(make, timeout, notices)
        return self.study(task.name)

    async def studies(
        self, *, timeout: float | None = None, notices: Notices = _SILENT
    ) -> Mapping[str, StudyStanding]:
        """All studies of the federation and how they stand, in the order of their proposals."""
        async with self.holding("study list", timeout, look) as is_writable:
            storage = self.member.storage if is_writable else Snapshot(self.member.storage)
            make = lambda: ListingTask(self.member.index)  # noqa: E731
            task = await self.work_on(make, timeout, notices, storage=storage)
            return await self.steps.do(lambda: task.found)

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
            keys = await self.steps.do(self.member.keys.read)
            task = KeyCheckTask(self.terms, keys, now_ms())
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
