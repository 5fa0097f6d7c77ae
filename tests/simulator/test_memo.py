"""What parties of a simulated federation share changes nothing but the time that a run takes."""

import pytest

from protocol.board import board
from protocol.board.board import Board, Entry, decode_entry
from protocol.encoding import encode
from protocol.errors import BadEntry
from tests.simulator import __main__ as command
from tests.simulator.federation import Federation, toy_of
from tests.simulator.memo import remembered_steps, remembering
from tests.simulator.oracle import simulate
from tests.simulator.plan import Plan
from tests.simulator.studies.founding import _table


@pytest.fixture
def entries() -> list[Entry]:
    """Of a ceremony."""
    return _table(toy_of(Plan.of_studies(0)))[0].entries


@pytest.mark.parametrize("seed", [7, 9])
def test_a_run_is_the_same_where_each_party_computes_all_by_itself(seed: int) -> None:
    """To the last event and the last durable write."""
    seen: list[Federation] = []
    plan = Plan.of_studies(seed)
    assert simulate(plan, seen.append, forgetful=True) == simulate(plan, seen.append)
    first, second = ((f.clock.now, f.moments, f.declined) for f in seen)
    assert first == second


def test_nothing_is_remembered_outside_a_run() -> None:
    before = board.verify, board.decode, Board.open, vars(Entry)["hash"]
    with remembering():
        assert board.verify is not before[0]
    assert (board.verify, board.decode, Board.open, vars(Entry)["hash"]) == before


def test_what_a_test_has_planted_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(*given: object) -> None:
        """Takes every signature."""

    monkeypatch.setattr(board, "verify", planted)
    with remembering():
        assert board.verify is planted


def test_what_parties_share_cannot_be_changed(entries: list[Entry]) -> None:
    seen = Board(toy_of(Plan.of_studies(0)).terms)
    for entry in entries:
        assert hash(decode_entry(encode(entry)))
        assert hash(seen.append(entry).post), "a field that can be changed has no hash"


def test_an_entry_with_another_signature_is_refused_though_the_post_was_seen(
    entries: list[Entry],
) -> None:
    terms = toy_of(Plan.of_studies(0)).terms
    with remembering():
        Board(terms).append(entries[0])
        signed = board.SignedPost(entries[0].post.post, bytes(64))
        with pytest.raises(BadEntry, match="signature"):
            Board(terms).open(signed)


def test_steps_that_are_remembered_rest_as_often() -> None:
    calls = list[int]()

    @remembered_steps
    def counted(rests: int):
        calls.append(rests)
        yield from (None for _ in range(rests))
        return 10 * rests

    for _ in range(2):
        steps = counted(3)
        for _ in range(3):
            next(steps)
        with pytest.raises(StopIteration) as end:
            next(steps)
        assert end.value.value == 30
    assert calls == [3]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_violation_is_named_and_the_other_seeds_are_run(jobs, monkeypatch, capsys) -> None:
    def simulated(plan: Plan, forgetful: bool) -> str:
        assert plan.seed != 5, "it must not"
        return "done"

    monkeypatch.setattr(command, "simulate", simulated)
    monkeypatch.setattr("sys.argv", ["simulator", "--first", "3", "--seeds", "4", "--jobs", jobs])
    assert command.main() == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("seed 5: it must not")
    assert told[-1].startswith("4 seeds in ")
    assert "'done': 3" in told[-1]
    assert "'violation': 1" in told[-1]
