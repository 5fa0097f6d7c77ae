"""The rounds of a board, as others are compared with them: whole, or what counts of them.

Of a round in which nothing is said any more a ``PastRound`` is enough. From these, and from all
other rounds, a party decides as from the whole board (tests/protocol/rounds/test_known.py). A round
is recalled before more is said in it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from protocol.board import Posted, StudyState
from protocol.encoding import Message
from protocol.messages import Clip, Contribution, Count, Near, Sender, Session, read_session
from protocol.rounds.variables import Added, OpenSum, Start, Variables
from protocol.rounds.view import RoundView
from protocol.terms import Terms


class PastContribution(Message, frozen=True):
    """Where a member's contribution stands on the board, and what it has called near."""

    position: Count
    member: Sender
    near: Near


class PastRound(Message, frozen=True):
    """What counts for others of a round that was opened at a position.

    kind, start: what it started from. clip: the bound of a weight's change, 0 in a statistic.
    members: whose contributions are in its sum, nobody unless that may be open. said: the first
    contribution of each member, in their order, if it came before the closing. locked: how many
    have locked the set that was chosen; apart: how many another one; refused: how many have refused
    and locked none. wanted: who may still have to help, or to state what it knows.
    """

    session: Session
    opened_at: Count
    kind: Literal["model", "data"]
    start: bytes
    clip: Clip
    members: tuple[Sender, ...]
    said: tuple[PastContribution, ...]
    locked: Count
    apart: Count
    refused: Count
    wanted: tuple[Sender, ...]

    @property
    def contributors(self) -> frozenset[int]:
        """The members that had contributed by the closing."""
        return frozenset(said.member for said in self.said)


class RoundsState(Message, frozen=True):
    """All rounds of a board up to a position.

    held: sessions of those that are known by their entries; past: of the others what counts.
    opened: by study, the last round that was opened. count: of all rounds, also those in which no
    sum is made.
    """

    held: tuple[str, ...]
    past: tuple[PastRound, ...]
    opened: tuple[tuple[str, Count], ...]
    count: Count


class KnownRounds:
    """All rounds of a board; what they start from, and what is one for whom, are ``variables``.

    held: those that are known whole, by session.
    """

    def __init__(self, terms: Terms, studies: Mapping[str, StudyState]) -> None:
        """studies: of the board."""
        self._terms, self._studies = terms, studies
        self.variables = Variables(terms)
        self.held: dict[str, RoundView] = {}
        self._past: dict[str, PastRound] = {}
        self._wanting: dict[str, None] = {}  # those of the past in which somebody may be wanted
        self._chosen: dict[str, bytes] = {}  # what is closed, of those that are held
        self._of_start = defaultdict[Start, list[str]](list)  # in the order of their openings

    def receive(self, posted: Posted) -> None:
        """Take note of the board's next entry that is of a round."""
        session = posted.post.session
        view = self.held.setdefault(session, RoundView(session))
        view.receive(posted)
        body, sender = posted.post.body, posted.post.sender
        if view.opening is posted:
            self._open(session, self.start(view))
        elif isinstance(body, Contribution) and view.contributions.get(sender) is posted:
            self.variables.add(session, sender, body.near)
        elif view.closing is posted:
            self._choose(view)

    def _open(self, session: str, start: Start) -> None:
        self.variables.starts[session] = start
        self._of_start[start].append(session)

    def _choose(self, view: RoundView) -> None:
        if (chosen := view.chosen(self._terms.federation)) is not None:
            self._chosen[view.session] = chosen

    # ── rounds in which nothing is said any more ──

    @property
    def past(self) -> tuple[PastRound, ...]:
        """What counts of the rounds that were let go of, and had been opened."""
        return tuple(self._past.values())

    def let_go(self, session: str) -> None:
        """Keep of a round what counts for others; nothing if it was not opened."""
        if (view := self.held.get(session)) is None:
            return
        if view.opening is not None:
            self._keep(self._counted(view))
        del self.held[session]
        self._chosen.pop(session, None)

    def recall(self, session: str, posts: Iterable[Posted]) -> None:
        """Hold a round again, with all that was said in it so far."""
        self._past.pop(session, None)
        self._wanting.pop(session, None)
        view = self.held[session] = RoundView.of(session, posts)
        self._choose(view)

    def resume(self, past: Iterable[PastRound], posts: Iterable[Posted]) -> None:
        """Go on from rounds that were let go of, and the entries of all others, in any order.

        Everything is taken note of in the order of the board.
        """
        for one in past:
            self._keep(one)
        for step in _in_order(self._past.values(), posts):
            if isinstance(step, Posted):
                self.receive(step)
            elif isinstance(step, PastRound):
                self._open(step.session, Start(step.kind, step.start))
            else:
                session, said = step
                self.variables.add(session, said.member, said.near)

    def _keep(self, one: PastRound) -> None:
        self._past[one.session] = one
        if one.wanted:
            self._wanting[one.session] = None

    # ── what counts of them ──

    def counted(self, session: str) -> PastRound:
        """What counts of a round that was opened, whether it is held or not."""
        return self._past.get(session) or self._counted(self.held[session])

    def of_start(self, start: Start) -> Sequence[str]:
        """The sessions of the rounds from a start, in the order of their openings."""
        return self._of_start.get(start, ())

    def start(self, view: RoundView) -> Start:
        """What a round with an opening starts from, by what had been proposed before that.

        An aggregator may open one of a study that is proposed later.
        """
        opened, state = view.opening, self._studies.get(view.study)
        assert opened is not None
        if state is None or state.position > opened.position or state.study.is_training:
            return Start("model", opened.post.body.model)
        return Start("data", state.study.statistic.data.encode())

    def may_be_open(self, session: str) -> bool:
        """Whether anybody has locked the set that was chosen in a round that was opened.

        A sum over nobody is none.
        """
        if (past := self._past.get(session)) is not None:
            return bool(past.members)
        chosen, view = self._chosen.get(session), self.held[session]
        return bool(view.contributors) and chosen in view.locks.values()

    def sum_of(self, session: str) -> OpenSum:
        """The sum of a round that was opened."""
        named, start = read_session(session), self.variables.starts[session]
        weights = state.study.weights if (state := self._studies.get(named.study)) else ""
        if (past := self._past.get(session)) is not None:
            opened_at, members = past.opened_at, frozenset(past.members)
        else:
            view = self.held[session]
            assert view.opening is not None
            opened_at, members = view.opening.position, frozenset(view.contributors)
        return OpenSum(opened_at, named.name, start, members, weights)

    @property
    def sums(self) -> list[OpenSum]:
        """Those that may be open, in the order in which their rounds were opened."""
        return [self.sum_of(one) for one in self.variables.starts if self.may_be_open(one)]

    def connected(self, but: str, row: frozenset[Added]) -> dict[str, frozenset[Added]]:
        """The sums that share variables with a row, or with one that does, and what each holds.

        By names, in the order of the board. Those that may be open, in any other round than one.
        """
        found: dict[OpenSum, frozenset[Added]] = {}
        classes, left, seen = self.variables.classes, list(row), set(row)
        while left:
            member, _ = variable = left.pop()
            starts = classes.starts(variable)
            for one in (one for start in starts for one in self._open_from(start, but)):
                if one not in found and member in one.members:
                    found[one] = frozenset(classes.variable(m, one.start) for m in one.members)
                    left += found[one] - seen
                    seen |= found[one]
        return {one.name: found[one] for one in sorted(found, key=lambda one: one.at)}

    def _open_from(self, start: Start, but: str) -> Iterator[OpenSum]:
        """Sums of a start that may be open, here or in the federations before."""
        yield from self.variables.taken.of_start.get(start, ())
        for session in self.of_start(start):
            if session != but and self.may_be_open(session):
                yield self.sum_of(session)

    def wanting(self, member: int) -> Iterator[str]:
        """Sessions of rounds in which a member may be wanted; of no others."""
        for session in self._wanting:
            if member in self._past[session].wanted:
                yield session
        yield from self.held

    def _counted(self, view: RoundView) -> PastRound:
        opened = view.opening
        assert opened is not None
        posts = view.contributions.values()
        said = (PastContribution(p.position, p.post.sender, p.post.body.near) for p in posts)
        locks, chosen = view.locks, self._chosen.get(view.session)
        locked = sum(lock == chosen for lock in locks.values())
        return PastRound(
            view.session,
            opened.position,
            *self.variables.starts[view.session],
            opened.post.body.clip,
            tuple(view.contributors) if self.may_be_open(view.session) else (),
            tuple(said),
            locked,
            len(locks) - locked if chosen is not None else 0,
            len(view.refusals.keys() - locks.keys()),
            self._wanted(view),
        )

    def _wanted(self, view: RoundView) -> tuple[int, ...]:
        """Of whom more may be wanted if nobody says more in a round."""
        if view.closing is None:
            return ()
        everybody = set(range(1, self._terms.n_members + 1))
        is_helped = len(view.unquestioned) >= self._terms.quorum
        to_help = set() if is_helped else everybody - view.partials.keys()
        state = self._studies.get(view.study)
        readers = set(state.study.members) if state is not None else everybody
        is_training = state is not None and state.study.is_training
        to_state = set() if is_training else readers - view.statements.keys()
        return tuple(sorted((to_help | to_state) - view.refusals.keys()))


Step = Posted | PastRound | tuple[str, PastContribution]


def _in_order(past: Iterable[PastRound], posts: Iterable[Posted]) -> Iterator[Step]:
    """The openings of past rounds, their contributions and other entries, as the board has them."""
    steps: list[tuple[int, Step]] = [(posted.position, posted) for posted in posts]
    for one in past:
        steps.append((one.opened_at, one))
        steps += [(said.position, (one.session, said)) for said in one.said]
    return (step for _, step in sorted(steps, key=lambda at: at[0]))
