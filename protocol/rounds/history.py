"""The sums of a board that may be open, over all studies, and what a combination of them shows.

The mean over {1,2,3,4} and then, under another name, the mean over {1,2,3} show what 4 added,
though each sum by itself held enough. So no sum is judged alone.

*Variables.* A round starts from something: training from a model, a statistic from the data that
its plan names. Whatever a member adds to the rounds of one start is one variable of it. A
contribution may name rounds that started from something else, or starts of the federations before,
in which the same member added the same or nearly the same (``Contribution.near``): then that
member's variables of the two starts are one, and of whatever else is near to either. A list that is
full may lack some: then those of all that it has added before, of that kind, are. A sum is a row
over variables (protocol/rounds/isolation.py).

*What may be open*: every closed set that anybody has locked, in any other round, of
any study and of any key, and what was taken over with the key. One lock is enough: more than
(n+f)/2 locks open a set, and a hospital that is shown the board late sees some of them before all.
What nobody has locked cannot be open, and of what is not connected with a sum, by variables that
they share, nothing can be subtracted.

*The rule* (``difference``). A hospital locks a sum S, and releases its part of it, unless there is
a combination S - Σ a_j·P_j other than 0, of sums that may be open, that holds variables of fewer
than ``least_difference`` members, and does not fall apart into two that share no variable. That
some P_j is S itself by its variables, and open, is no excuse. Variables are what is *said* to be
one. Mean and variance of the same patients have one start, and what is near to one of two rounds of
a start is near to both. So two sums may have one row and be two numbers
(tests/attacks/studies/test_same_row.py).

*Theorem.* Let L be members that collude, no more than max(f, assumed_colluders). Let all hospitals
but L keep the rule, and be shown one board, each a beginning of it, of whatever length. Let w be a
combination of sums of which hospitals outside L have released parts, taken over what members really
added: things that are really one are said to be one, and not the other way round. If w holds what
one member m outside L added, and nothing of others outside L, then by what is said of m it is 0: it
shows at most how far things differ which m added and which are said to be one.

*Proof.* For a sum P let r(P) be the position to which the first honest hospital that released it
had read the board when it did. It had seen lock_threshold locks of P there. All contributions to P
were said before, with what they are near to. Suppose that some w, by what was said up to the
largest r of its sums, holds a variable of m; then it is not 0. Take one of the fewest sums, let z
be the one with that r, and divide w by its factor. Of other members outside L it holds none: what
they really added cancels, and all the more by what is said. Nor does w fall apart. What is really
one lies in one part of it, so that a part with a variable of m would be such a w itself, of fewer
sums: up to its own largest r less was said to be one. The hospital that released z had read as far
as all others of w had been locked: they may be open. So it saw a combination with variables of m
and perhaps of L, which is fewer than least_difference >= |L| + 2 members, and would have refused. ∎
By the same proof w shows no more than such changes of any members fewer than ``least_difference``.

What is said to be near later changes nothing of it, since each step asks what was said by then. A
false ``near`` makes variables of its author alone one, and what a liar itself added, L knows.

*Assumed*: a hospital asks again when it releases; it says ``near`` where it is true; a quorum is
more than L, or L needs nobody's part. *Several boards*: more is needed there than the rule. Two
sets that are open have an honest locker in common, which has both locks on its one board, but of
three sets each hospital may know two. So a hospital contributes to a round only after it has seen
the end of every round of its start that opened before (``unended``): whatever it then posts stands
only on boards that have that end, too. That three sets of rounds that were open at one time are
then never spread over boards is *not proved*.

*What it does not promise.* The same set twice shows what changed in between in a member's numbers.
A hospital's number of examples is the same from every model. Averages leak something about their
inputs; updates from models that are close, but not as close as ``near`` asks, can nearly be
subtracted. Another federation is not looked at, but for those before (docs/security/sums.md).

*The federations before.* With a key that was handed over the sums come that may be open under it
(protocol/board/inheritance.py): all with a lock on the old board when the key was released, what
that board had taken over, and what was said to be near there. A hospital is known by its name. One
that has left has variables of its own, and counts.
  The theorem holds for all these boards as for one, the old up to its release and then the new one.
L are then those of all these federations, no more than any of their terms bear. For r(P) of an old
sum is before all of the new board. Take z of the proof. If it is an old sum, so are all others of
w, and the old hospitals kept the rule. If it is a new one, its releaser knew all old sums that
hospitals outside L had released: each had more than (n+f)/2 locks, of which an honest one stands on
every board where the old key is frozen (tests/protocol/handover/test_freeze.py). And the sums that
count are those of an honest new member, which read that board: more than f have said the same.
  *Assumed* besides: a name is one hospital's for ever, as people vouch for it who sign terms. Who
comes under the name of one that has added before says ``near`` for that one: of what it cannot
compare it says that it is.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Self, TypeVar

import msgspec

from protocol.board import Board, Entry, KeyHistory, Posted, StudyState
from protocol.errors import Malformed
from protocol.messages import NEAR_TO_NOTHING, InheritedSums, Near, read_session
from protocol.rounds.isolation import Difference, Sums, fewest_missing, isolated, largest
from protocol.rounds.known import KnownRounds, PastRound
from protocol.rounds.span import Members
from protocol.rounds.variables import Added, Start, Variables, hand_on
from protocol.rounds.view import RoundView, models_up_to
from protocol.terms import Terms

A = TypeVar("A")


class OpenedSets:
    """All rounds of a board, for the sums that may be open; idle until asked.

    A function of the entries, so that a restart changes nothing.
    """

    def __init__(
        self,
        terms: Terms,
        studies: Mapping[str, StudyState] | None = None,
        key: KeyHistory | None = None,
    ) -> None:
        """studies, key: of the board whose entries it is given (``receive``)."""
        self._terms, self._key = terms, key or KeyHistory(terms)
        self._studies: Mapping[str, StudyState] = {} if studies is None else studies
        self._board: Board | None = None  # that is followed
        self._read = 0  # entries of it
        self._rounds = KnownRounds(terms, self._studies)
        self._others_of: dict[Hashable, Sums] = {}  # as long as no round goes on
        self._last: dict[
            tuple[Hashable, str], tuple[Any, Any]
        ] = {}  # question and answer, by round and kind

    @classmethod
    def of(cls, board: Board) -> Self:
        """Those of a board, which all who ask for them share.

        They read all entries that are there, and those that will be when they are asked.
        """
        return board.beside(cls._following)

    @classmethod
    def _following(cls, board: Board) -> Self:
        found = cls(board.terms, board.studies, board.key)
        found._board = board
        return found

    def receive(self, posted: Posted) -> None:
        """Take note of the board's next entry, where no board is followed."""
        if read_session(posted.post.session).is_round:
            self._take_over()  # what it names may be of federations before
            self._rounds.receive(posted)
            self._others_of.clear()

    # ── rounds in which nothing is said any more ──

    def let_go(self, session: str) -> None:
        """Keep of a round no more than what counts for others; it is recalled before it goes on."""
        self._rounds.let_go(session)
        self._last = {asked: known for asked, known in self._last.items() if asked[1] != session}

    def recall(self, session: str, posts: Iterable[Posted]) -> None:
        """Take a round back, with all that was said in it so far."""
        self._rounds.recall(session, posts)

    @property
    def past(self) -> tuple[PastRound, ...]:
        """What counts of the rounds that were let go of."""
        return self._rounds.past

    def resume(self, past: Iterable[PastRound], posts: Iterable[Posted]) -> None:
        """Go on from rounds that were let go of, and the entries of all others, in any order."""
        self._take_over()
        self._rounds.resume(past, posts)

    def rest(self, before: int, read: Callable[[int, int], Iterable[Entry]]) -> None:
        """Let the rounds of the followed board rest, as ``Board.rest``, and let go of them."""
        assert self._board is not None
        self._catch_up()  # while the board holds them
        self._board.rest(before, read)
        for session in [s for s in self._rounds.held if self._board.is_at_rest(s)]:
            self.let_go(session)

    def go_on(self, past: Iterable[PastRound]) -> None:
        """Go on from what counted of rounds that rest on the followed board, as that stands.

        To be called before anything is asked. Raises Malformed for rounds that do not rest there.
        """
        board, past = self._board, tuple(past)
        assert board is not None
        assert not self._read
        if not all(board.is_at_rest(one.session) for one in past):
            raise Malformed("board", "a round counts as at rest, and is not")
        self._read = len(board.entries)
        self.resume(past, (p for p in board.awake if read_session(p.post.session).is_round))

    def difference(self, view: RoundView) -> Difference | None:
        """What the sum that the round's closing chose would show of too few; None if nothing.

        view: a round with opening and closing; its set is taken as it is said there.
        """
        if view.opening is None or view.closing is None:
            return None
        row = self._row(view, view.contributors)
        others = self._others(view, row)
        found = self._answer(view, isolated, row, others, self._terms.least_difference)
        return found and found.with_gone(self._terms.n_members, self._name_of)

    def binds(self, view: RoundView) -> bool:
        """Whether the round's sum is compared with one that may be open already."""
        return view.opening is not None and bool(self.compared(view))

    def compared(self, view: RoundView) -> tuple[str, ...]:
        """The other rounds whose sums may be open and are compared with the round's, by name."""
        state = self._studies.get(view.study)
        n = self._terms.n_members
        everybody = range(1, n + 1) if state is None else state.study.members
        return tuple(self._others(view, self._row(view, everybody)))

    def closable(self, view: RoundView, members: Members) -> Members:
        """Those of the contributors over whom the round may be closed now.

        All of them, if hospitals help with that sum, or the largest set among them with whose sum
        they do. Nobody if there is no such set of enough members: then the round is *held back*,
        and those whom ``awaited`` names are to be waited for.
        """
        own = self._own(view, members)
        others = self._others(view, frozenset(own.values()))
        if not others:
            return members
        floors = self._terms.least_difference, self._least_contributors(view)
        return self._answer(view, largest, members, own, others, *floors)

    def awaited(self, view: RoundView, members: Members) -> Members:
        """The fewest who would have to contribute too for the round to be closed.

        members: whose contributions can be added. Nobody, if it takes one whose only contribution,
        the first, cannot be, or who may contribute none.
        """
        absent = self._may_come(view)
        own = self._own(view, members | absent)
        others = self._others(view, frozenset(own.values()))
        floors = self._terms.least_difference, self._least_contributors(view)
        return self._answer(view, fewest_missing, members, absent, own, others, *floors)

    def unended(
        self, view: RoundView, member: int, near: Near = NEAR_TO_NOTHING
    ) -> tuple[str, ...]:
        """Sessions of rounds that must end before this member contributes to this one.

        Those of its start, or of one near to it for this member, that were opened before it or have
        a contribution of this member. near: what the contribution would name.
        """
        starts = self._starts_with(view, member, near)
        assert view.opening is not None
        found = []
        for session in (s for start in starts for s in self._rounds.of_start(start)):
            other = self._rounds.counted(session)
            is_earlier = other.opened_at < view.opening.position
            if session != view.session and (is_earlier or member in other.contributors):
                found += [other] if not self._is_over(other) else []
        return tuple(one.session for one in sorted(found, key=lambda one: one.opened_at))

    def is_barred(self, view: RoundView) -> bool:
        """Whether nobody helps with a round any more, since the key was handed over."""
        return view.opening is not None and self._is_barred(view.opening.position)

    def handed_on(self) -> InheritedSums:
        """All sums that may be open, for a federation that takes the key over.

        In the order in which their rounds were opened; before them what was taken over.
        """
        self._catch_up()
        before, classes = self._variables.taken.handed_on, self._variables.classes
        return hand_on([*before, *sorted(self._rounds.sums)], classes, self._name_of)

    def weighed_otherwise(self, view: RoundView, member: int, near: Near) -> tuple[str, ...]:
        """Rounds of federations before to which it has added otherwise, from this or the named."""
        starts = self._starts_with(view, member, near)
        weights = self._studies[view.study].study.weights
        return self._variables.taken.weighed_otherwise(member, starts, weights)

    def start(self, view: RoundView) -> Start:
        """What a round with an opening starts from."""
        return self._rounds.start(view)

    def contributed(self, member: int) -> Iterator[PastRound]:
        """The rounds to which a contribution of the member counts, its newest first."""
        self._catch_up()
        return map(self._rounds.counted, reversed(self._variables.added(member)))

    def wanting(self, member: int) -> Mapping[str, Sequence[str]]:
        """By study, the sessions of rounds in which more may be wanted of a member, in order.

        It has not said yet what it could say once the round is closed.
        """
        self._catch_up()
        found: dict[str, list[str]] = {}
        for session in sorted(self._rounds.wanting(member), key=read_session):
            found.setdefault(read_session(session).study, []).append(session)
        return found

    def alike(self, member: int, start: Start) -> Collection[Start]:
        """The starts that are one with this one for a member, this one included."""
        self._catch_up()
        return self._variables.classes.starts((member, start))

    def added_before(self, member: int) -> Sequence[tuple[int, Start]]:
        """From what a member has added in the federations before, with its place, ascending."""
        self._catch_up()
        return self._variables.taken.added(member)

    # ── rows ──

    def _starts_with(self, view: RoundView, member: int, near: Near) -> Collection[Start]:
        """The starts that are one for a member once it has added to a round, and named these."""
        self._catch_up()
        return self._variables.starts_with(self.start(view), member, near)

    def _own(self, view: RoundView, members: Iterable[int]) -> dict[int, Added]:
        """What each member adds to a round."""
        self._catch_up()
        start = self.start(view)
        return {m: self._variables.classes.variable(m, start) for m in sorted(members)}

    def _row(self, view: RoundView, members: Iterable[int]) -> frozenset[Added]:
        return frozenset(self._own(view, members).values())

    def _others(self, view: RoundView, row: frozenset[Added]) -> Sums:
        """The sums of other rounds that share variables with a row, or with one that does."""
        self._catch_up()
        if (view.session, row) not in self._others_of:
            self._others_of[view.session, row] = self._rounds.connected(view.session, row)
        return self._others_of[view.session, row]

    def _name_of(self, member: int) -> str:
        return self._variables.taken.gone.get(member) or self._terms.name_of(member)

    def _answer(self, view: RoundView, function: Callable[..., A], *question: object) -> A:
        """What a function says, computed anew where the question is another than the last one."""
        known = self._last.get((function, view.session))
        if known is None or known[0] != question:
            known = self._last[function, view.session] = question, function(*question)
        answer: A = known[1]
        return answer

    # ── what the board says ──

    @property
    def _variables(self) -> Variables:
        return self._rounds.variables

    def _is_barred(self, opened_at: int) -> bool:
        return bool(self._key.handovers.help_bar(opened_at))

    def _is_over(self, one: PastRound) -> bool:
        """Whether enough have locked a round's sum, or that can be no more.

        Whoever has refused may be lying, as many as collude. No lock counts once the key that the
        round was opened under is given up.
        """
        terms = self._terms
        if self._is_barred(one.opened_at) or one.locked >= terms.lock_threshold:
            return True
        state = self._studies.get(read_session(one.session).study)
        if state is not None and state.is_ended():
            return True
        able = terms.n_members - one.refused - one.apart
        return able + min(one.refused, terms.floor - 2) < terms.lock_threshold

    def _may_come(self, view: RoundView) -> Members:
        """Who has not contributed to a round, and may."""
        state = self._studies.get(view.study)
        assert view.opening is not None
        if state is None:
            able = set(range(1, self._terms.n_members + 1))
        else:
            before = state.contributors(view.opening.position)
            able = {m for m in before if state.contributes(m)}
        return frozenset(able - view.contributions.keys())

    def _least_contributors(self, view: RoundView) -> int:
        state = self._studies.get(view.study)
        return self._terms.least_contributors if state is None else state.study.least_contributors

    def _take_over(self) -> None:
        """Take note of the sums that came with the key, once they are there."""
        said = self._key.inheritance.sums
        if said is not None and self._variables.take_over(said):
            self._others_of.clear()

    def _catch_up(self) -> None:
        self._take_over()
        board = self._board
        while board is not None and self._read < len(board.entries):
            posted = board.entries[self._read]
            self._read += 1
            session = posted.post.session
            if read_session(session).is_round and session not in self._rounds.held:
                before = (p for p in board.session(session) if p.position < posted.position)
                self.recall(session, before)
            self.receive(posted)


def sums_up_to(board: Board, position: int) -> InheritedSums:
    """What a board hands on with the key that was released by that entry; models go with it."""
    found = OpenedSets(board.terms, board.studies, board.key)
    for posted in islice(board.entries, position):
        found.receive(posted)
    return msgspec.structs.replace(found.handed_on(), models=models_up_to(board, position))
