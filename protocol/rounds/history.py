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

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec

from protocol.board import Board, KeyHistory, Posted, StudyState
from protocol.messages import (
    NEAR_TO_NOTHING,
    Contribution,
    InheritedSums,
    Near,
    Opening,
    read_session,
)
from protocol.rounds.isolation import Difference, Sums, fewest_missing, isolated, largest
from protocol.rounds.span import Members
from protocol.rounds.variables import (
    Added,
    OpenSum,
    PastRound,
    Start,
    Variables,
    hand_on,
    in_order,
    past_round,
)
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
        self._entries: Sequence[Posted] = ()
        self._clear()

    def _clear(self) -> None:
        self._read = 0
        self._views: dict[str, RoundView] = {}
        self._rounds = defaultdict[Start, list[str]](list)  # in the order of their openings
        self._variables = Variables(self._terms)
        self._chosen: dict[str, bytes] = {}  # what is closed, by session
        self._past: dict[str, PastRound] = {}  # of what is not in the views any more
        self._others_of: dict[Hashable, Sums] = {}  # as long as no round goes on
        self._last: dict[
            tuple[Hashable, str], tuple[Any, Any]
        ] = {}  # question and answer, by round and kind

    def follow(self, board: Board) -> None:
        """Read this board: all entries that are there, and those that will be when it is asked."""
        self._entries, self._studies = board.entries, board.studies
        self._key = board.key
        self._clear()

    def receive(self, posted: Posted) -> None:
        """Take note of the board's next entry, where no board is followed."""
        session = posted.post.session
        if not read_session(session).is_round:
            return
        view = self._views.setdefault(session, RoundView(session))
        view.receive(posted)
        self._others_of.clear()
        body, sender = posted.post.body, posted.post.sender
        if isinstance(body, Opening) and view.opening is posted:
            start = self._variables.starts[session] = self._start_of(view, body)
            self._rounds[start].append(session)
        elif isinstance(body, Contribution) and view.contributions.get(sender) is posted:
            self._add(session, sender, body.near)
        elif view.closing is posted:
            chosen = view.chosen(self._terms.federation)
            assert chosen is not None
            self._chosen[session] = chosen

    # ── rounds in which nothing is said any more ──

    def let_go(self, session: str) -> None:
        """Keep of a round no more than what others are compared with.

        It is recalled before more is said in it. Who contributes lets go of nothing, since
        ``unended`` asks for the rounds themselves.
        """
        if (view := self._views.get(session)) is None or view.opening is None:
            return
        members = view.contributors if self._may_be_open(session) else ()
        self._past[session] = past_round(view, self._variables.starts[session], members)
        del self._views[session]
        self._chosen.pop(session, None)
        self._last = {asked: known for asked, known in self._last.items() if asked[1] != session}

    def recall(self, session: str, posts: Iterable[Posted]) -> None:
        """Take a round back, with all that was said in it."""
        if self._past.pop(session, None) is None:
            return
        view = self._views[session] = RoundView.of(session, posts)
        if (chosen := view.chosen(self._terms.federation)) is not None:
            self._chosen[session] = chosen

    @property
    def past(self) -> Collection[PastRound]:
        """The rounds that were let go of."""
        return self._past.values()

    def resume(self, past: Iterable[PastRound], posts: Iterable[Posted]) -> None:
        """Go on from rounds that were let go of, and the entries of all others, in any order.

        Everything is taken note of in the order of the board.
        """
        self._past = {one.session: one for one in past}
        for one, said in in_order(self._past.values(), posts):
            if isinstance(one, Posted):
                self.receive(one)
            elif said is None:
                start = self._variables.starts[one.session] = Start(one.kind, one.start)
                self._rounds[start].append(one.session)
            else:
                self._add(one.session, said.member, said.near)

    def _add(self, session: str, member: int, near: Near) -> None:
        self._take_over()  # what it names may be of federations before
        self._variables.add(session, member, near)

    def difference(self, view: RoundView) -> Difference | None:
        """What the sum that the round's closing chose would show of too few; None if nothing.

        view: a round with opening and closing; its set is taken as it is said there.
        """
        if view.opening is None or view.closing is None:
            return None
        row = self._row(view, view.contributors)
        others = self._others(view, row)
        found = self._answer(view, isolated, row, others, self._terms.least_difference)
        return found and self._with_gone(found)

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
        for session in (s for start in starts for s in self._rounds.get(start, ())):
            other = self._views[session]
            assert other.opening is not None
            is_earlier = other.opening.position < view.opening.position
            if session != view.session and (is_earlier or member in other.contributions):
                found += [other] if not self._is_over(other) else []
        return tuple(v.session for v in sorted(found, key=_opened_at))

    def is_barred(self, view: RoundView) -> bool:
        """Whether nobody helps with a round any more, since the key was handed over."""
        opened = view.opening
        return opened is not None and bool(self._key.handovers.help_bar(opened.position))

    def handed_on(self) -> InheritedSums:
        """All sums that may be open, for a federation that takes the key over.

        In the order in which their rounds were opened; before them what was taken over.
        """
        self._catch_up()
        opened = (s for s in (*self._past, *self._views) if self._may_be_open(s))
        own = [self._sum_of(session) for session in opened]
        before = self._variables.taken.handed_on
        return hand_on([*before, *sorted(own)], self._variables.classes, self._name_of)

    def weighed_otherwise(self, view: RoundView, member: int, near: Near) -> tuple[str, ...]:
        """Rounds of federations before to which it has added otherwise, from this or the named."""
        starts = self._starts_with(view, member, near)
        weights = self._studies[view.study].study.weights
        return self._variables.taken.weighed_otherwise(member, starts, weights)

    def start(self, view: RoundView) -> Start:
        """What a round with an opening starts from."""
        assert view.opening is not None
        return self._start_of(view, view.opening.post.body)

    def contributed(self, member: int) -> Iterator[RoundView]:
        """The rounds to which a contribution of the member counts, its newest first."""
        self._catch_up()
        return (self._views[session] for session in reversed(self._variables.added(member)))

    def alike(self, member: int, start: Start) -> Collection[Start]:
        """The starts that are one with this one for a member, this one included."""
        self._catch_up()
        return self._variables.classes.starts((member, start))

    def added_before(self, member: int) -> Sequence[tuple[int, Start]]:
        """From what a member has added in the federations before, with its place, ascending."""
        self._catch_up()
        return self._variables.taken.added(member)

    # ── rows ──

    def _start_of(self, view: RoundView, opening: Opening) -> Start:
        state = self._studies.get(view.study)
        if state is None or state.study.is_training:
            return Start("model", opening.model)
        return Start("data", state.study.statistic.data.encode())

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
            self._others_of[view.session, row] = self._connected(view.session, row)
        return self._others_of[view.session, row]

    def _connected(self, but: str, row: frozenset[Added]) -> Sums:
        found: dict[OpenSum, frozenset[Added]] = {}
        left, seen = list(row), set(row)
        while left:
            member, _ = variable = left.pop()
            starts = self._variables.classes.starts(variable)
            for one in (one for start in starts for one in self._open_from(start, but)):
                if one not in found and member in one.members:
                    found[one] = self._row_of(one)
                    left += found[one] - seen
                    seen |= found[one]
        return {one.name: found[one] for one in sorted(found, key=lambda one: one.at)}

    def _open_from(self, start: Start, but: str) -> Iterator[OpenSum]:
        """Sums of a start that may be open, in any other round than one."""
        yield from self._variables.taken.of_start.get(start, ())
        for session in self._rounds.get(start, ()):
            if session != but and self._may_be_open(session):
                yield self._sum_of(session)

    def _sum_of(self, session: str) -> OpenSum:
        named, start = read_session(session), self._variables.starts[session]
        weights = state.study.weights if (state := self._studies.get(named.study)) else ""
        if (past := self._past.get(session)) is not None:
            opened_at, members = past.opened_at, frozenset(past.members)
        else:
            view = self._views[session]
            opened_at, members = _opened_at(view), frozenset(view.contributors)
        return OpenSum(opened_at, named.name, start, members, weights)

    def _row_of(self, one: OpenSum) -> frozenset[Added]:
        return frozenset(self._variables.classes.variable(m, one.start) for m in one.members)

    def _with_gone(self, found: Difference) -> Difference:
        """With the names of hospitals that have left, in place of their numbers."""
        here = tuple(m for m in found.members if m <= self._terms.n_members)
        gone = tuple(self._name_of(m) for m in found.members if m not in here)
        return dataclasses.replace(found, members=here, gone=gone)

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

    def _may_be_open(self, session: str) -> bool:
        if (past := self._past.get(session)) is not None:
            return bool(past.members)
        chosen = self._chosen.get(session)
        return chosen is not None and chosen in self._views[session].locks.values()

    def _is_over(self, view: RoundView) -> bool:
        """Whether enough have locked a round's sum, or that can be no more.

        Whoever has refused may be lying, as many as collude. No lock counts once the key that the
        round was opened under is given up.
        """
        if self.is_barred(view):
            return True
        terms, locks = self._terms, view.locks
        chosen = self._chosen.get(view.session)
        if chosen is not None and list(locks.values()).count(chosen) >= terms.lock_threshold:
            return True
        state = self._studies.get(view.study)
        if state is not None and state.is_ended():
            return True
        refused = view.refusals.keys() - locks.keys()
        others = {m for m, lock in locks.items() if chosen is not None and lock != chosen}
        able = terms.n_members - len(refused) - len(others)
        return able + min(len(refused), terms.floor - 2) < terms.lock_threshold

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
        while self._read < len(self._entries):
            self._read += 1
            self.receive(self._entries[self._read - 1])


def sums_up_to(board: Board, position: int) -> InheritedSums:
    """What a board hands on with the key that was released by that entry; models go with it."""
    found = OpenedSets(board.terms, board.studies, board.key)
    for posted in islice(board.entries, position):
        found.receive(posted)
    return msgspec.structs.replace(found.handed_on(), models=models_up_to(board, position))


def _opened_at(view: RoundView) -> int:
    assert view.opening is not None
    return view.opening.position
