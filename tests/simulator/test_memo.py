"""What parties of a simulated federation share changes nothing but the time that a run takes."""

from pathlib import Path

import pytest
from gmpy2 import mpz
from msgspec.structs import replace

from keyshare.proofs.power_product import power_product
from protocol.board import board, post
from protocol.board.board import Board
from protocol.board.post import Entry, decode_entry
from protocol.encoding import decode, encode
from protocol.errors import BadEntry, Fork
from tests.simulator import __main__ as command
from tests.simulator.federation import Federation, toy_of
from tests.simulator.memo import _power_product, remembered_steps, remembering
from tests.simulator.oracle import simulate
from tests.simulator.plan import Plan
from tests.simulator.studies.founding import _table, found


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
        signed = post.SignedPost(entries[0].post.post, bytes(64))
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


def read_by(entries: list[Entry]) -> Board:
    seen = Board(toy_of(Plan.of_studies(0)).terms)
    for entry in entries:
        seen.append(entry)
    return seen


def counted(seen: Board) -> list[object]:
    """All that a board knows, what it counts of ceremonies as it is written."""
    objects = "studies", "_budget", "key"
    state = {name: value for name, value in vars(seen).items() if name not in objects}
    key = seen.key
    keys = key.epochs, key.by_digest, {of: vars(one) for of, one in key._ceremonies.items()}
    budget, ceremonies = vars(seen._budget), seen._budget._ceremonies
    more = budget["_said"], budget["_tries"], budget["_next_check"], ceremonies._due
    assert not seen.studies
    assert not key.handovers.all
    return [state, keys, more, ceremonies._ceremonies[1].said, ceremonies.upload_bytes]


def test_a_board_that_is_made_equal_to_one_that_has_read_the_ceremony_is(
    entries: list[Entry], tmp_path: Path
) -> None:
    found(toy_of(Plan.of_studies(0)), tmp_path, {})
    alone = counted(read_by(entries))
    with remembering():
        first, second = read_by(entries), read_by(entries)
        assert counted(first) == counted(second) == alone
    last = entries[-1].post
    for seen in first, second:  # and one of them changes nothing of the other
        before = seen.count("ceremony/1", 4)
        seen._budget._ceremonies.take(1, 4, decode(last.post, post.Post, "post", 1 << 20).body)
        seen._counts["ceremony/1", 4] += 1
        assert counted(seen) != alone
        assert seen.count("ceremony/1", 4) == before + 1


def test_a_board_that_begins_as_the_ceremony_and_goes_on_otherwise_is_read_as_it_is(
    entries: list[Entry], tmp_path: Path
) -> None:
    found(toy_of(Plan.of_studies(0)), tmp_path, {})
    other = replace(entries[5], time_ms=entries[5].time_ms + 1)
    alone = counted(read_by([*entries[:5], other]))
    five = counted(read_by(entries[:5]))
    with remembering():
        assert counted(read_by([*entries[:5], other])) == alone
        seen = read_by(entries[:5])
        with pytest.raises(Fork):
            seen.append(entries[6])
        assert counted(seen) == five
    unsigned = replace(entries[5], post=post.SignedPost(entries[5].post.post, bytes(64)))
    with remembering(), pytest.raises(BadEntry, match="signature"):
        read_by([*entries[:5], unsigned])


@pytest.mark.parametrize("n_bases", [0, 1, 9])
def test_products_of_powers_are_the_same_one_after_the_other(n_bases: int) -> None:
    bases = [mpz(3**200 + k) for k in range(n_bases)]
    exponents = [mpz((-1) ** k * 5**50 + k) for k in range(n_bases)]
    modulus = mpz(2) ** 521 - 1
    alike = power_product(bases, exponents, modulus)
    assert _power_product(bases, exponents, modulus) == alike


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
