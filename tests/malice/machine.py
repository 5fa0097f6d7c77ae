"""The adversary's moves, for Hypothesis to choose from; the oracle looks at what follows.

Most often the aggregator goes on as it should, with whichever study and hospitals it likes, and
colluders help it: that is what takes a sequence deep enough for a lie to matter. Studies of both
kinds go on beside each other.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from protocol.messages.rounds import Opening
from protocol.messages.session import round_session
from protocol.rounds.statistic import opening_for
from protocol.rounds.view import RoundView
from tests.malice.aggregator import Aggregator, Branch
from tests.malice.choices import Course, course, enough, small, subset, which
from tests.malice.consortium import COMMON, consortium
from tests.malice.reading import check_reading
from tests.malice.studies import FOCI, study_of
from tests.stage.toy import ToyEpoch


class Play(RuleBasedStateMachine):
    """One sequence of moves against one federation: those of an aggregator that only chooses."""

    a: Aggregator

    @initialize(
        shape=st.sampled_from(COMMON),
        first=small,
        focus=st.sampled_from(FOCI),
        variants=st.sampled_from((0, 0, 0, 1, 2, 4)),
    )
    def found(
        self, shape: tuple[int, int], first: int, focus: tuple[str, ...], variants: int
    ) -> None:
        n, quorum = shape
        toy = consortium(n, quorum)
        faults = toy.federation.terms.faults
        colluders = frozenset((first + k) % n + 1 for k in range(faults))
        self.begin(toy, colluders, focus, variants)

    def begin(
        self, toy: ToyEpoch, colluders: frozenset[int], focus: tuple[str, ...], variants: int = 0
    ) -> None:
        """Hospitals start, and approve some studies; variants: of their plans, as bits."""
        self.a = Aggregator(toy, colluders)
        self.honest, self.focus = sorted(self.a.hospitals), focus
        self.branch = self.a.branches[0]
        self.a.run(self.honest)
        for k, name in enumerate(focus):
            self.propose(name, variants >> k & 1, self.honest)

    # ── the course of a study ──

    @rule(before=course)
    def go_on(self, before: Course) -> None:
        self._go_on(before)

    @rule(order=st.permutations(range(3)), which=which, left_out=small)
    def go_through(self, order: list[int], which: int, left_out: int) -> None:
        """A whole round of every study, one after the other, of one of them without a member."""
        for study in order:
            without = 1 << left_out if study == which else 0
            self._go_on(Course(study, 3, 0, without, False))

    def _go_on(self, before: Course) -> None:
        for _ in range(before.steps):
            self._next_step(before)

    def _next_step(self, course: Course) -> None:
        """What an honest aggregator does next, over those whom it likes; colluders take part."""
        hospitals = subset(self.honest, course.who)
        name = self._name(course.study)
        if name not in self.branch.board.studies:  # another board may lack it
            self.propose(name, 0, hospitals)
            return
        session = self._session(name)
        view = self.branch.view(session)
        if view.opening is None:
            self._open(session, "as it stands")
        elif view.closing is None:
            self._gather(view, hospitals, course)
        self._help(self.branch, session)
        self.a.run(hospitals)

    def _gather(self, view: RoundView, hospitals: list[int], course: Course) -> None:
        """Have hospitals contribute; when nobody does any more, close."""
        known = set(view.contributions)
        self.a.run(hospitals)
        for member in sorted(self.a.colluders - view.contributions.keys()):
            self.a.contribute(self.branch, member, view.session, course.spoils)
        least = self.a.terms.least_contributors
        if known == view.contributions.keys() and len(known) >= least:
            members = enough(sorted(known), course.without, least)
            self.a.close(self.branch, view.session, members, "none")

    def _name(self, which: int) -> str:
        return self.focus[which % len(self.focus)]

    def propose(self, name: str, variant: int, hospitals: list[int]) -> None:
        """A colluder proposes a study, and the people of some hospitals approve it."""
        plan = study_of(self.a.terms, name, variant).plan
        self.a.propose(self.branch, min(self.a.colluders), name, plan)
        self.a.run(hospitals)
        for index in hospitals:
            self.a.tell(index, "approve", name)
        self.a.run(hospitals)

    def _session(self, name: str) -> str:
        """The round of a study that hospitals on the branch wait for."""
        state = self.branch.board.studies.get(name)
        if state is None or not state.study.is_training:
            return round_session(name, 1)
        finished = [self.a.hospitals[i].finished(name) for i in self.honest]
        return round_session(name, min(max(finished, default=0) + 1, state.study.rounds))

    def _contributors(self, session: str, mask: int) -> list[int]:
        return subset(sorted(self.branch.view(session).contributions), mask)

    def _help(self, branch: Branch, session: str) -> None:
        """Colluders lock whatever was closed."""
        view = branch.view(session)
        chosen = view.chosen(self.a.terms.federation)
        for member in sorted(self.a.colluders - view.locks.keys()):
            if chosen is not None:
                self.a.lock(branch, member, session, chosen)

    def _open(self, session: str, how: str) -> None:
        """Open a round as hospitals wait for it, or otherwise."""
        name = session.split("/")[1]
        if name not in self.branch.board.studies:
            return
        study, epoch = self.branch.state(session).study, self.a.toy.epoch.digest
        said: dict[str, Any] = {"plan": study.digest, "epoch": epoch}
        if study.is_training:
            ahead = max(self.a.hospitals.values(), key=lambda h: h.finished(name))
            if (stands := ahead.standing(name)) is None:
                return
            bounds = {"clip": stands.clip, "max_examples": stands.max_examples}
            said |= {"model": stands.result, "length": stands.length, **bounds}
            opening = Opening(**said)
        else:
            opening = opening_for(study, epoch)
        self.a.open(self.branch, session, self._otherwise(opening, how))

    def _otherwise(self, opening: Opening, how: str) -> Opening:
        said = {f: getattr(opening, f) for f in opening.__struct_fields__}
        otherwise: dict[str, dict[str, Any]] = {
            "as it stood": {"model": self.a.models[0]} if self.a.models else {},
            "unknown": {"model": b"u" * 32},
            "other epoch": {"epoch": b"e" * 32},
            "other suite": {"suite": "hybrid"},
            "other length": {"length": opening.length + 1},
            "other plan": {"plan": b"p" * 32},
        }
        return Opening(**said | otherwise.get(how, {}))

    def teardown(self) -> None:
        """What the oracle says is open, the adversary can read: tried for a few."""
        found: Any = getattr(self, "a", None)
        for chosen in list(found.knowledge.opened)[:1] if found else ():
            if chosen[0] % 16 == 0:
                check_reading(found, chosen)
