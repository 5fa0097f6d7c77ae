"""Hospitals that are each shown a beginning of one board, as late as the aggregator likes."""

from collections.abc import Iterable, Mapping, Sequence

import pytest

from protocol.board.board import Board
from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.board.study import Study
from protocol.board.suite import suite_of
from protocol.messages.plan import Plan
from protocol.messages.rounds import SetLock
from protocol.messages.session import read_session, round_session
from protocol.rounds import history, isolation
from protocol.rounds.decryption import RoundMember
from protocol.rounds.history import OpenedSets
from protocol.rounds.isolation import Difference, Sums
from protocol.rounds.span import Effort, Row
from protocol.rounds.view import RoundView
from tests.stage.rounds.aggregator import AggregatorTable
from tests.stage.rounds.contribution import contribution, near_to, training
from tests.stage.rounds.rings import ring_in
from tests.stage.rounds.toy_round import Ledger, slots_of
from tests.stage.studies import training_plan
from tests.stage.toy import ToyEpoch

LENGTH = 4


class Late:
    """An honest hospital: its own copy of the board, up to where it was shown it."""

    def __init__(self, table: "DelayedTable", index: int) -> None:
        self.table, self.index = table, index
        self.board = Board(table.terms)
        self.ledger = Ledger()
        self.history = OpenedSets.of(self.board)
        self.rounds: dict[str, RoundMember] = {}

    def read(self, position: int) -> None:
        """Be shown the board up to a position."""
        for entry in self.table.entries[len(self.board.entries) : position]:
            posted = self.board.append(entry)
            named = read_session(posted.post.session)
            if named.is_round and not isinstance(posted.post.body, Surplus):
                payloads = self.table.payloads(posted, self.index)
                self.member(posted.post.session).receive(posted, payloads)

    def member(self, session: str) -> RoundMember:
        """Its part in a round."""
        if session not in self.rounds:
            state = self.board.studies[read_session(session).study]
            keys = ring_in(self.table.toy, self.index)
            place = RoundView(session), state, keys, self.history
            self.rounds[session] = RoundMember(*place)
            self.rounds[session].consent = True
        return self.rounds[session]

    def due(self, session: str) -> Draft | None:
        """What it says about a round's end, by what it was shown."""
        return self.member(session).due(self.ledger)

    def unended(self, session: str, near: Sequence[str | int] = ()) -> tuple[str, ...]:
        """What it waits for before it contributes."""
        return self.history.unended(self.member(session).view, self.index, near_to(*near))


class DelayedTable(AggregatorTable):
    """All that was ever said lies on one board; who is shown how much of it, the test says."""

    def __init__(self, toy: ToyEpoch, colluders: Iterable[int] = ()) -> None:
        super().__init__(toy)
        self.colluders = frozenset(colluders)
        honest = [i for i in toy.federation.members if i not in self.colluders]
        self.hospitals = {i: Late(self, i) for i in honest}

    def spread(self, sender: int, draft: Draft) -> Posted:
        return self.say(sender, draft)

    def fork(self, *who: int) -> "DelayedTable":
        """Another board that begins as this one, for these hospitals alone from now on."""
        other = DelayedTable(self.toy, self.colluders)
        other.blobs = self.blobs
        for entry in self.entries:
            other.board.append(entry)
            other.entries.append(entry)
        other.hospitals = {i: self.hospitals.pop(i) for i in who}
        for hospital in other.hospitals.values():
            hospital.table = other
        return other

    def plan(self, name: str, plan: Plan | None = None) -> str:
        """A study that all approve; the session of its first round."""
        self.found(Study(self.terms, name, plan or training_plan(self.terms)))
        return round_session(name, 1)

    def read(self, *who: int, position: int | None = None) -> None:
        """Show hospitals, or all, the board up to a position, or all of it."""
        for i in who or self.hospitals:
            self.hospitals[i].read(len(self.entries) if position is None else position)

    def begin(self, name: str, plan: Plan | None = None, /, **changes: object) -> str:
        """A study, and its first round, open; by default from the same model each time."""
        session = self.plan(name, plan)
        if self.study_of(session).is_training:
            changes = {"length": LENGTH} | changes
        self.open_round(session, **changes)
        return session

    def contribute(
        self,
        session: str,
        members: Iterable[int],
        near: Mapping[int, Sequence[str | int]] | None = None,
    ) -> None:
        """Members contribute the same update as ever; ``near``: what they name with it."""
        for i in members:
            opened, study = self.view_of(session).opening, self.study_of(session)
            assert opened is not None
            named, epoch = near_to(*(near or {}).get(i, ())), self.toy.epoch
            if study.is_training:
                values = slots_of(i, suite_of("paillier", study).slots(opened.post.body))
                made = training(values, i, opened, epoch, study, near=named)
            else:
                numbers = [100 * i + k for k in range(study.statistic.length)]
                made = contribution(numbers, i, session, opened.digest, epoch, named)
            self.say(i, Draft(session, made.body, made.blobs))

    def lock(self, session: str, *members: int) -> None:
        """Colluders lock what they like."""
        for i in members:
            self.say(i, Draft(session, SetLock(self.chosen_in(session))))

    def collect(self, session: str, *who: int) -> dict[int, Draft]:
        """What hospitals have to say, in the aggregator's hands; on no board yet."""
        found = ((i, self.hospitals[i].due(session)) for i in who)
        return {i: draft for i, draft in found if draft is not None}

    def put_all(self, drafts: Mapping[int, Draft]) -> None:
        """Put what hospitals have said on the board."""
        for i, draft in drafts.items():
            self.say(i, draft)

    def settle(self, session: str, *who: int) -> None:
        """Show hospitals, or all, everything, until they have no more to say about a round."""
        while True:
            self.read(*who)
            said = self.collect(session, *(who or self.hospitals))
            if not said:
                return
            self.put_all(said)

    def partials(self, session: str) -> set[int]:
        """Who has released its part."""
        return set(self.view_of(session).partials)


def excuse_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all take a sum with the row of another one to show nothing new."""
    judged = isolation.isolated

    def isolated(
        row: Row, others: Sums, least: int, effort: Effort | None = None
    ) -> Difference | None:
        return None if row in others.values() else judged(row, others, least, effort)

    for module in (history, isolation):
        monkeypatch.setattr(module, "isolated", isolated)
