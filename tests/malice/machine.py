"""The adversary's moves, for Hypothesis to choose from; the oracle looks at what follows.

Most often the aggregator goes on as it should, over whichever hospitals it likes, with colluders
that help it: that is what takes a sequence deep enough for a lie to matter.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from protocol.board.messages import Complaint, Opening, Refusal
from protocol.rounds.view import round_session
from tests.malice.aggregator import LIES, Aggregator, Branch
from tests.malice.choices import Course, bits, course, enough, small, some, subset
from tests.malice.consortium import COMMON, ROUNDS, consortium
from tests.malice.oracle import Violation
from tests.malice.reading import check_reading
from tests.stage.toy import ToyEpoch

_MAX_BRANCHES = 3

MODELS = (
    "as it stands", "as it stands", "as it stands", "as it stood",
    "unknown", "other epoch", "other suite", "other length",
)  # fmt: skip


class MaliciousAggregator(RuleBasedStateMachine):
    """One sequence of moves against one federation."""

    a: Aggregator

    @initialize(shape=st.sampled_from(COMMON), first=small)
    def found(self, shape: tuple[int, int], first: int) -> None:
        n, quorum = shape
        toy = consortium(n, quorum)
        faults = toy.federation.terms.faults
        self.begin(toy, frozenset((first + k) % n + 1 for k in range(faults)))

    def begin(self, toy: ToyEpoch, colluders: frozenset[int]) -> None:
        """Hospitals start and say at which model they stand."""
        self.a = Aggregator(toy, colluders)
        self.honest = sorted(self.a.hospitals)
        self.branch = self.a.branches[0]
        self.a.run(self.honest)

    # ── the course of a round ──

    @rule(before=course)
    def go_on(self, before: Course) -> None:
        self._go_on(before)

    def _go_on(self, before: Course) -> None:
        for _ in range(before.steps):
            self._next_step(before)

    def _next_step(self, course: Course) -> None:
        """What an honest aggregator does next, over those whom it likes; colluders take part."""
        branch, hospitals = self.branch, subset(self.honest, course.who)
        number, least = self._number(), self.a.terms.least_contributors
        view = branch.view(round_session(str(number)))
        if view.opening is None:
            self._open(number, "as it stands")
        elif view.closing is None:
            known = set(view.contributions)
            self.a.run(hospitals)
            for member in self.a.colluders - view.contributions.keys():
                self.a.contribute(branch, member, view.session, course.spoils)
            if known == view.contributions.keys():
                members = enough(sorted(known), course.without, least)
                self.a.close(branch, view.session, members, "none")
        self._help(branch, view.session)
        self.a.run(hospitals)

    def _session(self) -> str:
        return round_session(str(self._number()))

    def _number(self) -> int:
        """The round that hospitals on the branch wait for."""
        finished = [self.a.hospitals[i].finished for i in self.honest]
        return min(max(finished, default=0) + 1, ROUNDS)

    def _contributors(self, session: str, mask: int) -> list[int]:
        return subset(sorted(self.branch.view(session).contributions), mask)

    def _help(self, branch: Branch, session: str) -> None:
        """Colluders lock whatever was closed."""
        view = branch.view(session)
        chosen = view.chosen(self.a.terms.federation)
        for member in self.a.colluders - view.locks.keys():
            if chosen is not None:
                self.a.lock(branch, member, session, chosen)

    def _open(self, number: int, how: str) -> None:
        hospitals = [self.a.hospitals[i] for i in self.honest]
        ahead = max(hospitals, key=lambda h: h.finished)
        stands = ahead.standing
        if stands is None:
            return
        said: dict[str, Any] = {
            "kind": "training",
            "epoch": self.a.toy.epoch.digest,
            "model": stands.result,
            "length": stands.length,
            "clip": stands.clip,
            "max_examples": stands.max_examples,
        }
        otherwise: dict[str, dict[str, Any]] = {
            "as it stood": {"model": self.a.models[0]} if self.a.models else {},
            "unknown": {"model": b"u" * 32},
            "other epoch": {"epoch": b"e" * 32},
            "other suite": {"suite": "hybrid"},
            "other length": {"length": stands.length + 1},
        }
        opening = Opening(**said | otherwise.get(how, {}))
        self.a.open(self.branch, round_session(str(number)), opening)

    # ── lies ──

    @rule(before=course, ahead=st.sampled_from((0, 0, 0, 1, -1)), how=st.sampled_from(MODELS))
    def open(self, before: Course, ahead: int, how: str) -> None:
        self._go_on(before)
        self._open(max(1, self._number() + ahead), how)

    @rule(before=course, mask=bits, lie=st.sampled_from(LIES), other=st.booleans())
    def close(self, before: Course, mask: int, lie: str, other: bool) -> None:
        self._go_on(before)
        number = self._number() - (1 if other else 0)
        session = round_session(str(number))
        if self.branch.view(session).opening is not None:
            self.a.close(self.branch, session, self._contributors(session, mask), lie)
            self._help(self.branch, session)

    @rule(before=course, victim=small, power=st.sampled_from((1, 2, 1 << 40)))
    def copy(self, before: Course, victim: int, power: int) -> None:
        self._go_on(before)
        session = round_session(str(self._number()))
        view = self.branch.view(session)
        known = [m for m in sorted(view.contributions) if m in self.a.hospitals]
        free = sorted(self.a.colluders - view.contributions.keys())
        if known and free and view.closing is None:
            member = known[victim % len(known)]
            self.a.copy(self.branch, free[0], session, member, power)

    @rule(
        before=course,
        kind=st.sampled_from(("repeat", "replay", "accuse", "ask again")),
        which=small,
        on=small,
    )
    def disturb(self, before: Course, kind: str, which: int, on: int) -> None:
        """What should do nothing: whatever hospitals have said, said again, or said to be wrong."""
        self._go_on(before)
        if kind == "repeat":
            self._repeat(which, round_session(str(on % ROUNDS + 1)))
        elif kind == "replay":
            self._replay(which)
        elif kind == "accuse":
            self._accuse(self.honest[which % len(self.honest)], b"k" * 32 if on % 2 else b"")
        else:
            self.a.ask_again(self.honest[which % len(self.honest)])

    def _repeat(self, which: int, session: str) -> None:
        """A colluder says again what a hospital has said: its part, its lock, its numbers."""
        if bodies := self.a.bodies():
            colluder = min(self.a.colluders)
            self.a.repeat(self.branch, colluder, session, bodies[-1 - which % len(bodies)])

    def _replay(self, which: int) -> None:
        """A hospital's own post, once more; the board that has it must not take it."""
        if self.a.said:
            signed = self.a.said[-1 - which % len(self.a.said)]
            known = {posted.digest for posted in self.branch.board.entries}
            if self.branch.put(signed) and signed.digest in known:
                raise Violation("a post was taken twice")

    def _accuse(self, victim: int, key: bytes) -> None:
        """A colluder complains of an honest part, and refuses to go on itself."""
        session = round_session(str(self._number()))
        chosen = self.branch.view(session).chosen(self.a.terms.federation)
        colluder = min(self.a.colluders)
        if chosen is not None:
            self.a.say(self.branch, colluder, session, Complaint(chosen, victim, key))
            self.a.say(self.branch, colluder, session, Refusal("one-set", victim, "no"))

    # ── boards and processes ──

    @rule(
        before=course,
        kind=st.sampled_from(("cut", "before closing", "before closing", "turn to")),
        by=small,
    )
    def split(self, before: Course, kind: str, by: int) -> None:
        """Go on with another board: without the last entries, or one of those that there are."""
        self._go_on(before)
        branches, entries = self.a.branches, len(self.branch.entries)
        if kind == "turn to" or len(branches) == _MAX_BRANCHES:
            self.branch = branches[by % len(branches)]
        elif kind == "cut":
            self.branch = self.a.split(self.branch, max(0, entries - by))
        else:
            self._rewind()

    def _rewind(self) -> int:
        """Go on with a board that ends before this one's last closing; the number of its round."""
        rounds = [v for v in self.branch.views.values() if v.session.startswith("round/")]
        closings = [view.closing for view in rounds if view.closing is not None]
        if not closings:
            return 1
        last = max(closings, key=lambda posted: posted.position)
        if len(self.a.branches) < _MAX_BRANCHES:
            self.branch = self.a.split(self.branch, last.position - 1)
        return int(last.post.session.partition("/")[2])

    @rule(before=course, mask=some)
    def show(self, before: Course, mask: int) -> None:
        """Hospitals whose board is a beginning of this one are shown this one from now on."""
        self._go_on(before)
        for index in subset(self.honest, mask):
            read = self.a.hospitals[index].read
            if self.branch.entries[:read] == self.a.shown[index].entries[:read]:
                self.a.shown[index] = self.branch

    @rule(before=course, mask=some, rewinds=st.booleans(), asks=st.booleans(), loses=st.booleans())
    def restart(self, before: Course, mask: int, rewinds: bool, asks: bool, loses: bool) -> None:
        """Processes start anew: ``train``, or ``decrypt`` of the last round; on another board."""
        self._go_on(before)
        number = self._rewind() if rewinds else self._number()
        for index in subset(self.honest, mask):
            self.a.restart(index, self.branch, str(number) if asks else None, loses)

    @rule(before=course, index=small, count=st.integers(1, 4), says=st.booleans())
    def deliver(self, before: Course, index: int, count: int, says: bool) -> None:
        """A few entries to one hospital, whose answer is put on its branch or kept back."""
        self._go_on(before)
        hospital = self.honest[index % len(self.honest)]
        self.a.deliver(hospital, count)
        if says:
            self.a.publish(hospital)

    def teardown(self) -> None:
        """What the oracle says is open, the adversary can read: tried for a few."""
        found: Any = getattr(self, "a", None)
        for chosen in list(found.knowledge.opened)[:1] if found else ():
            if chosen[0] % 16 == 0:
                check_reading(found, chosen)
