"""Three sums from one model, of which no hospital locks more than two, on boards that part.

Source: our own. Seven hospitals, f = 2 colluding with the aggregator. Two rounds seem to get stuck,
and all begin the same model anew; the aggregator shows each closing to one hospital alone, which
locks its set. Then it forks the board: on one side 3 and 5 help with the first two rounds, on the
other 1, 2 and 4 with the third. {1,2,3,6} + {1,4,5,6} - {2,3,4,5} is twice 1 and 6; 6 is theirs.
Each of 1 and 4 has locked two of the sets itself, and 2 has locked but one.
"""

from collections.abc import Iterable

import pytest

from participant.rounds.task import DecryptionTask
from participant.training.task import TrainingTask
from protocol.errors import Refused
from protocol.rounds.history import OpenedSets, isolated
from protocol.rounds.view import RoundView
from tests.simulator.disk import Disk
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.toy import toy_epoch

TOY = toy_epoch(7, 4)
TERMS = TOY.federation.terms
COLLUDERS = (6, 7)
A, B, C = [1, 2, 3, 6], [1, 4, 5, 6], [2, 3, 4, 5]
Parts = set[int]


def come(table: RoundTable, who: Iterable[int], after: int | None) -> None:
    """Hospitals type ``train``, with a model that began after a round."""
    table.tasks.clear()
    for i in who:
        task = TrainingTask(
            TERMS, table.secret(i), Steps(i / 10), table.disks[i], new_model_after=after
        )
        table.seat(i, task)


def prelude() -> RoundTable:
    """What all boards have: two rounds, each closed for one hospital's eyes, and a third opened."""
    table = RoundTable(TOY)
    everybody = TOY.federation.members
    for number, locker, chosen in ((1, 1, A), (2, 4, B)):
        come(table, everybody, number - 1 or None)
        table.settle()
        table.open(f"round/{number}")
        table.settle()
        table.tasks = {locker: table.tasks[locker]}
        table.close(f"round/{number}", chosen)
        table.settle()
    come(table, everybody, 2)
    table.settle()
    table.open("round/3")
    table.settle()
    return table


def fork(common: RoundTable) -> RoundTable:
    table = RoundTable(TOY)
    table.disks, table.blobs = common.disks, common.blobs
    for entry in common.entries:
        table.board.append(entry)
        table.entries.append(entry)
    return table


def decrypting(table: RoundTable, name: str, honest: Iterable[int]) -> Parts:
    """Who released its part of a round; the colluders forget what they like."""
    table.tasks.clear()
    for i, disk in [(i, Disk()) for i in COLLUDERS] + [(i, table.disks[i]) for i in honest]:
        task = DecryptionTask(TERMS, table.secret(i), name, disk, lambda request: True)
        table.seat(i, task)
    settle(table)
    return set(table.view(f"round/{name}").partials)


def settle(table: RoundTable) -> None:
    """Whoever refuses has ended."""
    while True:
        try:
            return table.settle()
        except Refused:
            refused = {
                i for k in (1, 2, 3) for i in table.view(f"round/{k}").refusals if i in table.tasks
            }
            for i in refused:
                del table.tasks[i]


def third_round() -> tuple[Parts, Parts, Parts]:
    """Who releases its part of each of the three sums, all of one model."""
    common = prelude()
    one_side, other_side = fork(common), fork(common)
    first = decrypting(one_side, "1", (3, 5))
    second = decrypting(one_side, "2", (3, 5))
    other_side.close("round/3", C)
    return first, second, decrypting(other_side, "3", (1, 2, 4))


def test_the_three_sets_show_two_members() -> None:
    found = isolated(frozenset(C), {"1": frozenset(A), "2": frozenset(B)}, TERMS.least_difference)
    assert found is not None
    assert found.members == (1, 6)


def test_a_set_that_anybody_locked_before_the_boards_parted_counts() -> None:
    first, second, third = third_round()
    assert len(first) >= TERMS.quorum  # one of the first two alone shows nobody
    assert len(second) >= TERMS.quorum
    assert not third - set(COLLUDERS)


def test_where_one_lock_does_not_count_all_three_are_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def enough(self: OpenedSets, view: RoundView) -> bool:
        chosen = view.chosen(TERMS.federation)
        return list(view.locks.values()).count(chosen or b"") >= TERMS.lock_threshold

    monkeypatch.setattr(OpenedSets, "_may_be_open", enough)
    assert all(len(parts) >= TERMS.quorum for parts in third_round())
