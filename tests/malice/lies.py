"""What an aggregator and colluders do beside choosing: lies, thefts, words, boards, restarts."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from protocol.messages.bodies import Body
from protocol.messages.plan import Approval, Ending, Withdrawal
from protocol.messages.rounds import Complaint, Near, Refusal
from protocol.messages.session import read_session, round_session
from tests.malice.aggregator import LIES
from tests.malice.choices import Course, bits, course, enough, small, some, subset
from tests.malice.choices import which as which_study
from tests.malice.machine import Play
from tests.malice.oracle import Violation
from tests.malice.studies import ROUNDS
from tests.malice.theft import PROOFS, RECIPES, Theft

_MAX_BRANCHES = 3
HOW = (
    "as it stands", "as it stands", "as it stands", "as it stood", "unknown",
    "other epoch", "other suite", "other length", "other plan",
)  # fmt: skip
WORDS = ("approve", "withdraw", "withdraw", "end")
OF_PEOPLE = (*WORDS, "take part")
thefts = st.builds(
    Theft, st.integers(0, 15), st.integers(0, 15), st.sampled_from(RECIPES), st.sampled_from(PROOFS)
)


class MaliciousAggregator(Play):
    """All moves."""

    # ── words of hospitals and colluders about studies ──

    @rule(before=course, which=which_study, variant=st.sampled_from((0, 1)), mask=some)
    def study(self, before: Course, which: int, variant: int, mask: int) -> None:
        """A study is proposed, perhaps under a name that is taken; some approve what is there."""
        self._go_on(before)
        self.propose(self._name(which), variant, subset(self.honest, mask))

    @rule(before=course, which=which_study, word=st.sampled_from(OF_PEOPLE), mask=bits)
    def say_of_study(self, before: Course, which: int, word: str, mask: int) -> None:
        """People of some hospitals approve, withdraw, or vote to end a study."""
        self._go_on(before)
        name = self._name(which)
        hospitals = subset(self.honest, mask)
        for index in hospitals:
            self.a.tell(index, word, name)
        self.a.run(hospitals)

    @rule(before=course, which=which_study, word=st.sampled_from(WORDS))
    def collude_of_study(self, before: Course, which: int, word: str) -> None:
        """Colluders approve, withdraw, or vote to end a study."""
        self._go_on(before)
        name = self._name(which)
        if name not in self.branch.board.studies:
            return
        digest = self.branch.board.studies[name].study.digest
        for colluder in sorted(self.a.colluders):
            bodies: dict[str, Body] = {
                "approve": Approval(digest, True, True),
                "withdraw": Withdrawal(digest),
            }
            self.a.say(self.branch, colluder, f"study/{name}", bodies.get(word, Ending(digest)))

    # ── lies ──

    @rule(
        before=course,
        which=which_study,
        ahead=st.sampled_from((0, 0, 0, 1, -1)),
        how=st.sampled_from(HOW),
    )
    def open(self, before: Course, which: int, ahead: int, how: str) -> None:
        self._go_on(before)
        name = self._name(which)
        named = read_session(self._session(name))
        self._open(round_session(name, max(1, named.number + ahead)), how)

    @rule(
        before=course, which=which_study, mask=bits, lie=st.sampled_from(LIES), other=st.booleans()
    )
    def close(self, before: Course, which: int, mask: int, lie: str, other: bool) -> None:
        self._go_on(before)
        name = self._name(which)
        session = self._session(name)
        if other and (number := read_session(session).number) > 1:
            session = round_session(name, number - 1)
        if self.branch.view(session).opening is not None:
            self.a.close(self.branch, session, self._contributors(session, mask), lie)
            self._help(self.branch, session)

    @rule(before=course, which=which_study, mask=bits)
    def close_early(self, before: Course, which: int, mask: int) -> None:
        """Close a round while contributions are on their way; they follow the closing."""
        self._go_on(before)
        name = self._name(which)
        session = self._session(name)
        view = self.branch.view(session)
        if view.opening is None:
            self._open(session, "as it stands")
        if view.opening is None or view.closing is not None:
            return
        least = self.a.terms.least_contributors
        prompt = enough(self.honest, mask, least - len(self.a.colluders))
        late = [index for index in self.honest if index not in prompt]
        self.a.run(self.honest, late, session)
        for colluder in sorted(self.a.colluders - view.contributions.keys()):
            self.a.contribute(self.branch, colluder, session, False)
        if len(view.contributions) >= least:
            self.a.close(self.branch, session, sorted(view.contributions), "none")
        for index in late:
            self.a.publish(index)
        self._help(self.branch, session)
        self.a.run(self.honest)

    @rule(before=course, which=which_study, victim=small, power=st.sampled_from((1, 2, 1 << 40)))
    def copy(self, before: Course, which: int, victim: int, power: int) -> None:
        self._go_on(before)
        name = self._name(which)
        session = self._session(name)
        view = self.branch.view(session)
        known = [m for m in sorted(view.contributions) if m in self.a.hospitals]
        free = sorted(self.a.colluders - view.contributions.keys())
        if known and free and view.closing is None:
            member = known[victim % len(known)]
            self.a.copy(self.branch, free[0], session, member, power)

    @rule(before=course, which=which_study, theft=thefts)
    def steal(self, before: Course, which: int, theft: Theft) -> None:
        """What is made of others' ciphertexts, of any study, as a colluder's own numbers."""
        self._go_on(before)
        name = self._name(which)
        session = self._session(name)
        view = self.branch.view(session)
        free = sorted(self.a.colluders - view.contributions.keys())
        if view.opening is not None and free and view.closing is None:
            self.a.steal(self.branch, free[0], session, theft)

    @rule(before=course, which=which_study, mask=bits)
    def lie_of_near(self, before: Course, which: int, mask: int) -> None:
        """A colluder calls whatever rounds near to what it adds."""
        self._go_on(before)
        name = self._name(which)
        session = self._session(name)
        view = self.branch.view(session)
        free = sorted(self.a.colluders - view.contributions.keys())
        if view.opening is None or not free or view.closing is not None:
            return
        opened = sorted(s for s, v in self.branch.views.items() if v.opening and s != session)
        near = Near(tuple(s for k, s in enumerate(opened) if mask >> k % 7 & 1))
        self.a.contribute(self.branch, free[0], session, False, near)

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
            self._repeat(which, round_session(self._name(before.study), on % ROUNDS + 1))
        elif kind == "replay":
            self._replay(which)
        elif kind == "accuse":
            victim = self.honest[which % len(self.honest)]
            self._accuse(
                self._session(self._name(before.study)), victim, b"k" * 32 if on % 2 else b""
            )
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

    def _accuse(self, session: str, victim: int, key: bytes) -> None:
        """A colluder complains of an honest part, and refuses to go on itself."""
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

    def _rewind(self) -> None:
        """Go on with a board that ends before this one's last closing."""
        closings = [v.closing for v in self.branch.views.values() if v.closing is not None]
        if closings and len(self.a.branches) < _MAX_BRANCHES:
            last = max(posted.position for posted in closings)
            self.branch = self.a.split(self.branch, last - 1)

    @rule(before=course, mask=some)
    def show(self, before: Course, mask: int) -> None:
        """Hospitals whose board is a beginning of this one are shown this one from now on."""
        self._go_on(before)
        for index in subset(self.honest, mask):
            read = self.a.hospitals[index].read
            if self.branch.entries[:read] == self.a.shown[index].entries[:read]:
                self.a.shown[index] = self.branch

    @rule(before=course, mask=some, rewinds=st.booleans(), loses=st.sampled_from((0, 0, 1)))
    def restart(self, before: Course, mask: int, rewinds: bool, loses: int) -> None:
        """Processes start anew with all that was approved; perhaps on another board."""
        self._go_on(before)
        if rewinds:
            self._rewind()
        for index in subset(self.honest, mask):
            self.a.restart(index, self.branch, bool(loses))

    @rule(before=course, index=small, count=st.integers(1, 4), says=st.booleans())
    def deliver(self, before: Course, index: int, count: int, says: bool) -> None:
        """A few entries to one hospital, whose answer is put on its branch or kept back."""
        self._go_on(before)
        hospital = self.honest[index % len(self.honest)]
        self.a.deliver(hospital, count)
        if says:
            self.a.publish(hospital)
