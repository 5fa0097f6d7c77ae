"""A party that keeps of old rounds what counts of them decides as one that has read the board."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import msgspec
import pytest

from protocol.board.board import Board
from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.board.post import Entry
from protocol.board.rest import BoardState
from protocol.board.study import Study
from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.messages.attachment import attach
from protocol.messages.bodies import Body
from protocol.messages.plan import Ending, Withdrawal
from protocol.messages.rounds import (
    Closing,
    Contribution,
    Contributor,
    Near,
    Opening,
    Partial,
    Refusal,
    SetLock,
    Statement,
)
from protocol.messages.session import read_session, round_session
from protocol.rounds.history import OpenedSets
from protocol.rounds.known import PastRound
from protocol.rounds.statistic import opening_for
from protocol.rounds.variables import Start
from protocol.rounds.view import RoundView
from protocol.terms.terms import Terms
from tests.protocol.board.test_rest import LIMIT, Stored, boards, read
from tests.sampled import sampled
from tests.stage.rounds.contribution import near_to
from tests.stage.studies import statistic_study, training_study
from tests.stage.toy import Table, toy_federation

HELD = 3  # entries, the last ones: all else rests
MODELS = b"m" * 32, b"n" * 32
FEDERATION = toy_federation(5, 3)
TERMS = FEDERATION.terms


class Play:
    """Rounds of four studies at once, in which everybody says what comes to its mind."""

    def __init__(self, seed: int) -> None:
        self.drawn, self.table = random.Random(seed), Table(FEDERATION)
        studies = [training_study(TERMS, name, rounds=9) for name in ("a", "b")]
        studies += [statistic_study(TERMS, name=name, data="data") for name in ("c", "d")]
        for study in studies:
            self.table.found(study)
        self.studies, self.opened = studies, dict.fromkeys((s.name for s in studies), 0)

    def session(self) -> str:
        """Of a round; seldom of one that is not open yet, and often of an old one."""
        study = self.drawn.choice(self.studies)
        most = min(self.opened[study.name] + (self.drawn.random() < 0.2), study.rounds)
        return study.round(self.drawn.randint(1, max(1, most)))

    def view(self, session: str) -> RoundView:
        return RoundView.of(session, self.table.board.session(session))

    def step(self) -> None:
        say: Callable[[], None] = self.drawn.choices(
            [self.open, self.contribute, self.close, self.lock, self.speak, self.leave],
            [4, 12, 3, 9, 4, 0.3],
        )[0]
        say()

    def say(self, sender: int, session: str, body: Body) -> None:
        self.table.say(sender, Draft(session, body))

    def open(self) -> None:
        study = self.drawn.choice(self.studies)
        if (number := self.opened[study.name] + 1) <= study.rounds:
            if study.is_training:
                model = self.drawn.choice(MODELS)
                opening = opening_of(study, model)
            else:
                opening = opening_for(study, bytes(32))
            self.say(0, study.round(number), opening)
            self.opened[study.name] = number

    def contribute(self) -> None:
        session, member = self.session(), self.drawn.randint(1, 5)
        opened = self.view(session).opening
        if opened is not None:
            others = [s.round(k) for s in self.studies for k in range(1, self.opened[s.name] + 1)]
            named = self.drawn.sample(others, min(len(others), self.drawn.choice((0, 0, 1, 2))))
            near = near_to(*sorted(set(named) - {session}))
            self.say(member, session, Contribution(opened.digest, attach(b"."), (), near))

    def close(self) -> None:
        """Also over nobody's contribution, and a round that was not opened."""
        session = self.session()
        found = sorted(self.view(session).contributions.items())
        some = [Contributor(m, p.digest) for m, p in found if self.drawn.random() < 0.8]
        self.say(0, session, Closing(tuple(some), attach(b"+")))

    def lock(self) -> None:
        session = self.session()
        chosen = self.view(session).chosen(TERMS.federation)
        is_other = chosen is None or self.drawn.random() < 0.1
        self.say(self.drawn.randint(1, 5), session, SetLock(b"o" * 32 if is_other else chosen))  # type: ignore[arg-type]

    def speak(self) -> None:
        session, member = self.session(), self.drawn.randint(1, 5)
        bodies: Sequence[Body] = (
            Refusal("differencing", 1, "No."),
            Statement(b"s" * 32, 4, 8.0, 1_000),
            Partial(b"c" * 32, b"k" * 32, tuple(attach(b"p", to) for to in range(6))),
        )
        self.say(member, session, self.drawn.choice(bodies))

    def leave(self) -> None:
        study, member = self.drawn.choice(self.studies), self.drawn.randint(1, 5)
        self.say(member, study.session, Withdrawal(study.digest))


@cache
def played(seed: int) -> tuple[Terms, tuple[Entry, ...]]:
    play = Play(seed)
    for k in range(120):
        play.step()
        if k == 90:  # a study ends with rounds in which too few have locked
            first = play.studies[0]
            for member in range(1, 6):
                play.say(member, first.session, Ending(first.digest))
    return TERMS, tuple(play.table.entries)


def story(name: str) -> tuple[Terms, tuple[Entry, ...]]:
    return played(int(name)) if name.isdigit() else boards()[name]


STORIES = ["good", "handed", "2", "3", "4", "5"]


def decided(board: Board, sums: OpenedSets) -> dict[str, Any]:
    """All that is asked of the sums, about each round of a board that is read whole."""
    members = range(1, board.terms.n_members + 1)
    everybody, found = frozenset(members), dict[str, Any]()
    sessions = [s for s in board._sessions if read_session(s).is_round]
    views = [v for s in sessions if (v := RoundView.of(s, board.session(s))).opening is not None]
    found["handed on"] = sums.handed_on()
    for view in views:
        some, start = frozenset(view.contributions), sums.start(view)
        found[view.session] = (
            start, sums.difference(view), sums.binds(view), sums.compared(view),
            sums.is_barred(view),
        )  # fmt: skip
        if view.study in board.studies:
            found[f"closing {view.session}"] = (
                [sums.closable(view, chosen) for chosen in (some, everybody)],
                sums.awaited(view, some),
                [sums.unended(view, m) for m in members],
                [sums.unended(view, m, near_to(*sessions[:2])) for m in members],
                [sums.weighed_otherwise(view, m, near_to(*sessions[-1:])) for m in members],
                [sums.alike(m, start) for m in members],
            )
    for member in members:
        contributed = list(sums.contributed(member))
        found[f"of {member}"] = (
            [(one.session, one.kind, one.start, one.clip) for one in contributed],
            sums.added_before(member),
        )
    return found


def resting(terms: Terms) -> tuple[Board, OpenedSets]:
    return (board := Board(terms)), OpenedSets.of(board)


def resumed(board: Board, sums: OpenedSets, stored: Stored) -> tuple[Board, OpenedSets]:
    """What goes on from what the two have stored."""
    state = decode(encode(board.state), BoardState, "state", LIMIT)
    past = [decode(encode(one), PastRound, "round", LIMIT) for one in sums.past]
    again = Board.resume(board.terms, state, stored)
    OpenedSets.of(again).go_on(past)
    return again, OpenedSets.of(again)


@pytest.mark.parametrize("name", [*STORIES[:2], *sampled(STORIES[2:], 4)])
def test_at_every_entry_it_decides_as_from_the_whole_board(name: str) -> None:
    terms, entries = story(name)
    whole, kept, later = Board(terms), resting(terms), resting(terms)
    from_all = OpenedSets._following(whole)
    for entry in entries:
        stored = Stored(entries)
        whole.append(entry)
        for board, sums in (kept, later):
            board.append(entry)
            sums.rest(max(0, entry.position - HELD), stored)
        expected = decided(whole, from_all)
        for board, sums in (kept, later, resumed(*kept, stored)):
            assert decided(whole, sums) == expected
            assert not [s for s in sums._rounds.held if board.is_at_rest(s)]
        if entry.position % 7 == 0:  # another process goes on, and is compared from then on
            later = resumed(*later, stored)
    assert kept[1].past


@pytest.mark.parametrize("name", STORIES)
def test_nobody_reads_old_rounds_for_it(name: str) -> None:
    terms, entries = story(name)
    board, sums = resting(terms)
    whole = read(terms, entries)
    for entry in entries:
        board.append(entry)
    sums.rest(len(entries), Stored(entries))
    again = Board.resume(terms, board.state, Stored(entries))
    OpenedSets.of(again).go_on(sums.past)
    again._read = lambda first, last: pytest.fail("an old round was read")
    assert decided(whole, OpenedSets.of(again)) == decided(whole, OpenedSets.of(whole))


def test_the_stories_have_what_is_to_be_told_apart() -> None:
    """Open sums that are compared, and that others are refused for; and rounds that never end."""
    seen = set[str]()
    for name in STORIES[2:]:
        terms, entries = story(name)
        board = read(terms, entries)
        sums = OpenedSets.of(board)
        seen |= {"open"} if sums.handed_on().sums else set()
        for view in views_of(board):
            one = sums._rounds.counted(view.session)
            assert view.opening is not None
            seen |= {"locked"} if one.locked >= terms.lock_threshold else set()
            seen |= {"apart"} if one.apart else set()
            seen |= {"refused"} if one.refused else set()
            seen |= {"near"} if any(said.near != Near() for said in one.said) else set()
            seen |= {"difference"} if sums.difference(view) else set()
            seen |= {"unended"} if sums.unended(view, 1) else set()
            seen |= {"late"} if view.late else set()
            early = view.closing is not None and view.closing.position < view.opening.position
            seen |= {"closed before it was opened"} if early else set()
            seen |= {"ended"} if board.studies[view.study].is_ended() else set()
        vain = [p for p in board.entries if isinstance(p.post.body, Surplus)]
        seen |= {"surplus"} if vain else set()
    assert seen == {
        "locked", "apart", "refused", "near", "difference", "unended", "late", "ended", "surplus",
        "closed before it was opened", "open",
    }  # fmt: skip


def views_of(board: Board) -> Iterator[RoundView]:
    for session in [s for s in board._sessions if read_session(s).is_round]:
        view = RoundView.of(session, board.session(session))
        if view.opening is not None:
            yield view


# ── what is checked ──


def test_a_round_counts_as_at_rest_only_if_it_rests_on_the_board() -> None:
    """Else what is said in it would be taken note of twice."""
    terms, entries = story("1")
    board, sums = resting(terms)
    for entry in entries:
        board.append(entry)
    sums.rest(len(entries), Stored(entries))
    past = sums.past
    awake = read(terms, entries)
    with pytest.raises(Malformed, match="at rest"):
        OpenedSets.of(awake).go_on(past)
    other = msgspec.structs.replace(past[0], session=round_session("elsewhere", 1))
    again = Board.resume(terms, board.state, Stored(entries))
    with pytest.raises(Malformed, match="at rest"):
        OpenedSets.of(again).go_on([*past, other])


def test_a_sum_that_nobody_has_opened_is_handed_on_to_nobody() -> None:
    """An aggregator closes a round that it has not opened, and a hospital locks that."""
    play = Play(0)
    study = play.studies[0]
    closed(play, study.round(1), (1, 2, 3), (1,))
    assert not isinstance(play.table.board.entries[-1].post.body, Surplus)
    assert not OpenedSets.of(play.table.board).handed_on().sums
    play.say(0, study.round(1), opening_of(study))
    assert len(OpenedSets.of(play.table.board).handed_on().sums) == 1


def opening_of(study: Study, model: bytes = MODELS[0]) -> Opening:
    return Opening(study.digest, bytes(32), model, 4, "paillier", 8.0, 1_000)


def closed(play: Play, session: str, members: Sequence[int], locking: Sequence[int]) -> None:
    """A round is closed over these, and some lock that."""
    some = (Contributor(m, bytes(32)) for m in members)
    play.say(0, session, Closing(tuple(some), attach(b"+")))
    chosen = play.view(session).chosen(TERMS.federation)
    assert chosen is not None
    for member in locking:
        play.say(member, session, SetLock(chosen))


def test_a_round_that_is_opened_twice_is_one_from_what_it_was_opened_from_first() -> None:
    play = Play(0)
    study, other = play.studies[:2]
    for model in MODELS:
        play.say(0, study.round(1), opening_of(study, model))
    play.say(0, other.round(1), opening_of(other))
    sums = OpenedSets.of(play.table.board)
    assert sums.unended(play.view(other.round(1)), 5) == (study.round(1),)


def test_a_round_that_is_opened_before_its_study_starts_from_one_thing_for_all() -> None:
    """Or else who goes on from a copy would take it for a sum of the data, and others would not."""
    play = Play(0)
    study = statistic_study(TERMS, name="late", data="data")
    play.say(0, study.round(1), opening_for(study, bytes(32)))
    play.table.found(study)
    closed(play, study.round(1), (1, 2, 3), (1,))
    (board, sums), stored = resting(TERMS), Stored(play.table.entries)
    for entry in play.table.entries:
        board.append(entry)
        sums.handed_on()  # so that it has read each entry before the next one
    assert (expected := decided(board, sums))["handed on"].sums
    sums.rest(0, stored)
    assert decided(board, resumed(board, sums, stored)[1]) == expected


def test_what_is_locked_too_early_or_by_who_refuses_too_ends_no_round() -> None:
    early, both = Play(0), Play(0)
    first, second = (study.round(1) for study in early.studies[:2])
    for play in (early, both):
        for study in play.studies[:2]:
            play.say(0, study.round(1), opening_of(study))
    for member in range(1, 6):
        early.say(member, first, SetLock(b"o" * 32))
    closed(both, first, (1, 2, 3), (1, 2, 3))
    for member in (1, 2, 3):
        both.say(member, first, Refusal("differencing", 1, "No."))
    for play in (early, both):
        assert OpenedSets.of(play.table.board).unended(play.view(second), 5) == (first,)


def test_whoever_asks_for_the_sums_of_a_board_shares_them() -> None:
    board, other = Board(TERMS), Board(TERMS)
    assert OpenedSets.of(board) is OpenedSets.of(board)
    assert OpenedSets.of(board) is not OpenedSets.of(other)
    assert not OpenedSets.of(board).alike(1, Start("model", bytes(32)))[1:]  # type: ignore[index]


def test_a_sum_over_nobody_is_none() -> None:
    """Else who keeps what counts of a round would hand on another list than who has read it."""
    play = Play(0)
    study = play.studies[0]
    play.say(0, study.round(1), opening_of(study))
    closed(play, study.round(1), (), (1,))
    assert not OpenedSets.of(play.table.board).handed_on().sums


# ── a round as its entries tell it ──

AGE = "study/age/1"


def test_the_first_of_everything_counts_and_the_last_statement():
    table, view = Table(toy_federation()), RoundView(AGE)
    table.found(statistic_study(table.federation.terms, 3))
    first, second = b"1" * 32, b"2" * 32
    for sender, body in [
        (0, Opening(first, first, first, 3)),
        (0, Opening(second, second, second, 3)),
        (2, Contribution(first, attach(b"a"))),
        (2, Contribution(first, attach(b"b"))),
        (3, SetLock(first)),
        (3, SetLock(second)),
        (3, Statement(first, 3)),
        (3, Statement(second, 3)),
    ]:
        view.receive(table.put(table.sign(AGE, sender, body)))  # type: ignore[arg-type]
    assert view.terms_of_opening == Opening(first, first, first, 3)
    assert [p.post.body for p in view.contributions.values()] == [Contribution(first, attach(b"a"))]
    assert view.locks == {3: first}
    assert view.statements == {3: Statement(second, 3)}
    assert view.closed is None
    assert view.chosen(bytes(32)) is None
    assert (view.study, view.number, view.name) == ("age", 1, "age/1")


def test_the_same_closing_in_another_round_or_federation_chooses_another_set():
    table, names = Table(toy_federation()), set()
    closing = Closing((Contributor(1, bytes(32)),), attach(b"sum"))
    for session in ("study/a/1", "study/a/2", AGE):
        view = RoundView(session)
        view.receive(table.put(table.sign(session, 0, closing)))
        names |= {view.chosen(bytes(32)), view.chosen(b"f" * 32)}
    assert len(names - {None}) == 6
