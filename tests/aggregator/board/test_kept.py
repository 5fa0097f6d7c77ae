"""A board that holds what still counts, or goes on from a summary, decides as one that read all."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from aggregator.board import kept as kept_board
from aggregator.board.kept import KeptBoard
from aggregator.errors import StoreFull
from aggregator.rounds.schedule import Rounds
from aggregator.status import report as report_module
from aggregator.status.report import report
from aggregator.store.board import BoardStore
from protocol.board.board import Board
from protocol.board.post import Entry, decode_entry
from protocol.encoding import encode
from protocol.messages.rounds import Refusal, SetLock, Statement
from protocol.rounds.view import RoundView
from protocol.terms.terms import Terms
from protocol.wire.frames import Accepted, Submit
from tests.protocol.board.test_rest import boards
from tests.stage.desk import MODEL, Desk
from tests.stage.files import flipped
from tests.stage.mortal import survived

SPAN = 5  # entries, after which there is a new summary
LATE = 10**15  # all have been waited for, in ms


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds are let go of at once, and summed up after a few entries."""
    monkeypatch.setattr(kept_board, "HELD_ENTRIES", 3)
    monkeypatch.setattr(kept_board, "HELD_ROUNDS", 1)
    monkeypatch.setattr(kept_board, "_AT_ONCE", 1)
    monkeypatch.setattr(kept_board, "_SUMMED_UP", SPAN)
    monkeypatch.setattr(report_module, "MAX_ROUNDS", 1)


def decided(board: Board, rounds: Rounds) -> dict[str, Any]:
    """What an aggregator does next, and what it tells, at whatever time."""
    epoch, members = board.epoch, frozenset(range(1, board.terms.n_members + 1))
    found: dict[str, Any] = {"report": report(board, board.terms, rounds, 10**12)}
    for name, waited in ("early", 0), ("late", LATE):
        due = rounds.to_close(lambda since_ms, w=waited: w)  # type: ignore[misc]
        found[f"close {name}"] = [view.session for view in due]
        if epoch is not None:
            found[f"open {name}"] = rounds.to_open(epoch, lambda since_ms, w=waited: w)  # type: ignore[misc]
    found["hybrid"] = [view.session for view in rounds.open_hybrid()]
    found["over"] = [name for name, s in rounds.studies.items() if s not in rounds.going_on()]
    found["stated"] = rounds.stated.state
    found["next"] = {name: rounds.next_number(name) for name in rounds.studies}
    history = rounds.history
    found["handed on"] = history.handed_on()
    for view in rounds.views.values():
        if view.opening is not None and view.number:
            some = frozenset(view.contributions)
            found[view.session] = (
                {s: history.closable(view, s) for s in (some, members)},
                history.awaited(view, some), history.compared(view), history.difference(view),
            )  # fmt: skip
    return found


def alike(board: Board, rounds: Rounds, whole: dict[str, Any]) -> None:
    """Whether it decides the same as from the whole board, about all rounds that it holds."""
    own = decided(board, rounds)
    assert own == {key: whole[key] for key in own}
    assert whole.keys() - own.keys() <= {s for s in whole if s.startswith("study/")}


@contextmanager
def opened(folder: Path, terms: Terms) -> Iterator[KeptBoard]:
    store = BoardStore(folder)
    with closing(store):
        yield KeptBoard(terms, store)


@pytest.mark.parametrize("name", ["good", "handed"])
def test_at_every_entry_it_decides_the_same(name: str, tmp_path: Path) -> None:
    terms, entries = boards()[name]
    whole, rounds = Board(terms), None
    rounds = Rounds(terms, whole.studies, whole.key)
    with opened(tmp_path, terms) as kept:
        for entry in entries:
            rounds.receive(whole.append(entry))
            kept.put(entry)
            expected = decided(whole, rounds)
            alike(kept.board, kept.rounds, expected)
            kept.sum_up()
            with opened(tmp_path, terms) as again:  # from a summary, and up to four entries more
                assert again._summed_up > entry.position - SPAN
                alike(again.board, again.rounds, expected)
        assert len(kept.rounds.views) < len(rounds.views)
        for session in list(rounds.views):  # and each round is as it was, once it is asked for
            posts = kept.board.session(session)
            assert RoundView.of(session, posts) == rounds.views[session]


def summary_of(folder: Path) -> bytes:
    with closing(BoardStore(folder)) as store:
        return store.summary


def change_summary(folder: Path, data: bytes) -> None:
    with closing(BoardStore(folder)) as store:
        store.keep_summary(data)


def trained(folder: Path, rounds: int) -> Desk:
    """A service whose study has had so many rounds, and is in one more."""
    desk = Desk(folder)
    study = desk.study(desk.open_training(length=1, rounds=1_000, bits=8))
    for number in range(1, rounds + 1):
        desk.fill(study.round(number))
        desk.wait(0)
        desk.state(study.round(number), study.members, MODEL, length=number + 2)
        desk.wait(0)
    desk.wait(0)
    return desk


def test_a_damaged_summary_is_made_anew(tmp_path: Path) -> None:
    desk = trained(tmp_path, 4)
    status = desk.service.status({})
    desk.service.close()
    whole = summary_of(tmp_path)
    assert whole
    for place in (0, 40, len(whole) // 2, len(whole) - 1):
        change_summary(tmp_path, flipped(whole, place))
        assert desk.restart()._kept._summed_up == 0
        assert desk.service.status({}) == status
        desk.wait(0)
        desk.service.close()
        assert summary_of(tmp_path) == whole
    change_summary(tmp_path, b"")
    assert desk.restart().status({}) == status
    desk.service.close()


def test_a_summary_of_another_board_is_not_used(tmp_path: Path) -> None:
    desks = [trained(tmp_path / name, 4) for name in ("one", "other")]  # ciphertexts differ
    for desk in desks:
        desk.service.close()
    status = desks[0].restart().status({})
    desks[0].service.close()
    change_summary(tmp_path / "one", summary_of(tmp_path / "other"))
    assert desks[0].restart()._kept._summed_up == 0
    assert desks[0].service.status({}) == status


def test_a_start_reads_and_holds_no_more_on_a_longer_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decodes = list[bytes]()
    real = kept_board.decode_entry

    def decode(data: bytes) -> Entry:
        decodes.append(data)
        return real(data)

    def cost(rounds: int) -> tuple[int, ...]:
        desk = trained(tmp_path / str(rounds), rounds)
        desk.service.close()
        monkeypatch.setattr(kept_board, "decode_entry", decode)
        decodes.clear()
        service = desk.restart()
        read = len(decodes)
        monkeypatch.setattr(kept_board, "decode_entry", real)
        board, held = service.board, service.rounds
        budget = board._budget
        sizes = (
            board.entries._held, board._sessions, board._counts, budget._said,
            budget._studies._rounds, held.views, held.history._rounds.held,
            service.summing.left_out,
        )  # fmt: skip
        service.close()
        return read, *map(len, sizes)

    few, many = cost(6), cost(18)
    assert all(b <= a + SPAN for a, b in zip(few, many, strict=True)), (few, many)


def test_something_said_in_an_old_round_finds_it_as_it_was(tmp_path: Path) -> None:
    desk = trained(tmp_path, 6)
    first = "study/cardio/1"
    for again in (False, True):
        if again:
            desk.restart()
        assert first not in desk.service.rounds.views
        count = desk.service.board.count(first, 1)
        assert count
        chosen = RoundView.of(first, desk.service.board.session(first)).chosen(
            desk.federation.terms.federation
        )
        assert chosen
        before = desk.service.rounds.history.handed_on().sums
        desk.say(2 - again, first, SetLock(chosen))  # late, and it counts
        assert desk.service.board.count(first, 2 - again)
        assert len(desk.service.rounds.history.handed_on().sums) == len(before) + (not again)
        view = RoundView.of(first, desk.service.board.session(first))
        assert (len(view.lock_posts), len(view.contributions)) == (1 + again, 3)
        assert first not in desk.service.rounds.views
        desk.service.close()


def test_a_repeated_post_of_an_old_round_has_its_place(tmp_path: Path) -> None:
    desk = trained(tmp_path, 6)
    posted = next(
        p for p in desk.service.board.session("study/cardio/1")
        if isinstance(p.post.body, Statement)
    )  # fmt: skip
    refused = desk.sign(1, "study/cardio/1", Refusal("rule", 0, ""))
    desk.say(1, "study/cardio/1", Refusal("rule", 0, ""))
    assert desk.service.board.session("study/cardio/1")[-1].digest == refused.digest
    assert desk.service.board.entries[posted.position - 1].digest == posted.digest


def test_who_asks_for_old_rounds_keeps_none_of_them_in_memory(tmp_path: Path) -> None:
    desk = trained(tmp_path, 8)
    old = [f"study/cardio/{number}" for number in range(1, 6)]
    there = {session: desk.service.board.session(session) for session in old}
    desk.service.board.rest(desk.service.board.head.position - 3, desk.service._kept._read)
    posts = [next(p for p in there[s] if isinstance(p.post.body, Statement)) for s in old]
    entries = [decode_entry(data) for data in desk.all_entries()]
    for posted in posts:
        signed = entries[posted.position - 1].post
        (answer,) = desk.service.receive(posted.post.sender, Submit(signed))
        assert isinstance(answer, Accepted)
        assert answer.position == posted.position
    assert set(old) <= desk.service.board._sessions.keys()
    desk.service.tick()
    assert not set(old) & desk.service.board._sessions.keys()
    assert desk.service.board.session(old[0]) == there[old[0]]


def test_a_full_disk_costs_no_more_than_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = trained(tmp_path, 3)
    desk.state("study/cardio/4", [1, 2, 3])

    def full(store: BoardStore, data: bytes) -> None:
        raise StoreFull(tmp_path, "no space left on device")

    monkeypatch.setattr(BoardStore, "keep_summary", full)
    monkeypatch.setattr(kept_board, "_SUMMED_UP", 1)
    desk.service.tick()
    monkeypatch.undo()
    assert desk.restart().status({})


def test_death_at_any_durable_point_of_a_tick_loses_nothing(tmp_path: Path) -> None:
    desk = trained(tmp_path / "begun", 3)
    desk.state("study/cardio/4", [1, 2, 3])
    desk.service.close()
    dies_at, ended = 1, False
    while not ended:
        folder = tmp_path / str(dies_at)
        shutil.copytree(tmp_path / "begun", folder)
        at = Desk(folder)

        def work(at: Desk = at) -> None:
            for number in (4, 5):
                at.fill(f"study/cardio/{number}")
                at.wait(0)
                at.state(f"study/cardio/{number}", [1, 2, 3], MODEL, length=number + 2)
                at.wait(0)
            at.wait(0)

        ended = survived(work, dies_at)
        at.service.close()
        status = at.restart().status({})
        at.service.close()
        database = sqlite3.connect(folder / "board.sqlite")
        with database:
            database.execute("DELETE FROM summary")
        database.close()
        assert at.restart().status({}) == status
        at.service.close()
        dies_at += 1
    assert dies_at > 20


def test_the_bytes_of_a_board_are_those_that_were_put_there(tmp_path: Path) -> None:
    terms, entries = boards()["good"]
    with opened(tmp_path, terms) as kept:
        for entry in entries:
            kept.put(entry)
        stored = kept._store.entries_after(0, len(entries), 1 << 30)
        assert stored == [encode(entry) for entry in entries]
