"""Contributing to a statistic: who asks for it, who joins, and what gets no number."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from gmpy2 import mpz

from keyshare.errors import CorruptSum
from participant.errors import UnfitNumbers
from participant.rounds.contribution import ContributionMaker
from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from protocol.board.board import Posted
from protocol.board.draft import Draft, public_payload
from protocol.board.messages import Contribution, Request
from protocol.rounds.statistic import opening_for
from protocol.rounds.view import RoundView
from tests.stage.rounds.contribution import payload_of, proved
from tests.stage.rounds.round_table import RoundTable
from tests.stage.toy import seed_of

SESSION = "statistic/age"


def numbers(*values: Any, labels: tuple[str, ...] = ()) -> Numbers:
    return Numbers("numbers.csv", tuple(Decimal(str(value)) for value in values), labels)


def seat(
    table: RoundTable, index: int, given: Numbers, decimals: int | None = None, name: str = "age"
) -> StatisticTask:
    secret, disk = table.secret(index), table.disks[index]
    task = StatisticTask(table.terms, secret, name, given, disk, decimals)
    table.seat(index, task)
    return task


def opened(table: RoundTable, **changes: Any) -> Posted:
    """The aggregator opens what was asked for first, but for the changes."""
    view = table.view(SESSION)
    asked = next(iter(view.requests.values())).post.body
    assert isinstance(asked, Request)
    opening = opening_for(asked, table.toy.epoch.digest)
    return table.publish(0, Draft(SESSION, msgspec.structs.replace(opening, **changes)))


def decrypted(table: RoundTable) -> list[Decimal]:
    """What a quorum finds in the closed statistic."""
    tasks = {
        i: DecryptionTask(table.terms, table.secret(i), "age", table.disks[i], lambda request: True)
        for i in table.toy.federation.members
    }
    for i, task in tasks.items():
        table.seat(i, task)
    table.settle()
    assert len({tuple(task.sums) for task in tasks.values()}) == 1
    return tasks[1].sums


def test_the_first_asks_and_the_others_join_at_its_scale():
    table = RoundTable()
    seat(table, 1, numbers("3", "0.25"))
    table.settle()
    others = [seat(table, i, numbers(5, i)) for i in (2, 3, 4)]
    table.settle()
    view = table.view(SESSION)
    assert {i: p.post.body for i, p in view.requests.items()} == {1: Request(2, 2)}
    opened(table)
    table.settle()
    assert all(task.done and task.request.decimals == 2 for task in others)
    table.close(SESSION)
    assert list(map(str, decrypted(table))) == ["18.00", "9.25"]


def test_members_state_the_set_and_not_even_a_hash_of_the_sums():
    """Sums of small numbers are guessed in a second by whoever reads the board."""
    table = RoundTable()
    for i in (1, 2, 3):
        seat(table, i, numbers(i))
        table.settle()
        if i == 1:
            opened(table)
    table.close(SESSION)
    decrypted(table)
    stated = {said.result for said in table.view(SESSION).statements.values()}
    assert stated == {table.view(SESSION).chosen(table.terms.federation)}


def test_who_does_not_know_of_each_other_may_both_ask_and_one_scale_holds():
    table = RoundTable()
    tasks = [StatisticTask(table.terms, table.secret(i), "age", numbers(i, "0.5"), table.disks[i],
                           decimals) for i, decimals in ((1, 3), (2, None))]  # fmt: skip
    drafts = [task.due() for task in tasks]
    assert [draft.body for draft in drafts if draft] == [Request(2, 3), Request(2, 1)]


@pytest.mark.parametrize(
    ("asked", "own", "said"),
    [
        (Request(2, 1), numbers(1), "it has 1 number, round age has 2"),
        (Request(2, 1), numbers(1, "0.25"), r"number 2: it needs 2 decimals, the round has 1"),
        (Request(2, 0, ("m", "w")), numbers(1, 2), "no labels, round age has 'm', 'w'"),
        (
            Request(2),
            numbers(1, 2, labels=("m", "w")),
            r"have labels \('m', 'w'\), round age has 2 numbers",
        ),
        (
            Request(2, 0, ("m", "w")),
            numbers(1, 2, labels=("m", "f")),
            r"round age has no 'f' \(number 2\)",
        ),
        (Request(2, 0, ("m", "w")), numbers(1, 2, labels=("w", "m")), "number 1 is 'w'.*'m'"),
    ],
)
def test_what_is_asked_for_otherwise_gets_no_number(asked, own, said):
    table = RoundTable()
    table.publish(5, Draft(SESSION, asked))
    opened(table)
    task = seat(table, 1, own)
    with pytest.raises(UnfitNumbers, match=said) as caught:
        task.due()
    assert caught.value.remedy
    assert not task.sent


def test_another_scale_than_the_one_that_is_wanted_is_refused_with_both_named():
    table = RoundTable()
    table.publish(5, Draft(SESSION, Request(1, 3)))
    opened(table)
    with pytest.raises(UnfitNumbers, match="--decimals 2, round age has 3"):
        seat(table, 1, numbers("0.5"), decimals=2).due()
    assert seat(table, 1, numbers("0.5"), decimals=3).due() is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"decimals": 2}, "not opened as any member had asked"),
        ({"labels": bytes(32)}, "not opened as any member had asked"),
        ({"length": 3}, "not opened as any member had asked"),
        ({"model": b"m" * 32}, "not opened as any member had asked"),
        ({"clip": 1.0}, "not opened as any member had asked"),
        ({"suite": "hybrid"}, "not opened as any member had asked"),
        ({"epoch": b"e" * 32}, "under another key"),
    ],
)
def test_what_is_opened_otherwise_than_asked_gets_no_number(changes, said):
    table = RoundTable()
    task = seat(table, 1, numbers(1, 2))
    table.settle()
    opened(table, **changes)
    with pytest.raises(UnfitNumbers, match=said):
        task.due()
    assert not task.sent


def test_a_statistic_that_is_closed_already_gets_no_number():
    table = RoundTable()
    for i in (1, 2, 3):
        seat(table, i, numbers(i))
    table.settle()
    opened(table)
    table.settle()
    table.close(SESSION)
    with pytest.raises(UnfitNumbers, match="closed already"):
        seat(table, 4, numbers(4)).due()


def test_requests_that_nobody_can_open_stop_nobody():
    """A colluder asks first, for labels that are not one for each number; or for other lengths."""
    table = RoundTable()
    table.publish(4, Draft(SESSION, Request(2, 0, ("m",))))
    table.publish(5, Draft(SESSION, Request(7)))
    seat(table, 1, numbers(1, 2))
    table.settle()
    assert table.view(SESSION).requests[1].post.body == Request(2)


def test_who_has_asked_before_for_something_else_does_not_ask_again():
    table = RoundTable()
    table.publish(1, Draft(SESSION, Request(2, 1)))
    task = seat(table, 1, numbers(1, 2), decimals=3)
    assert task.due() is None
    opened(table)
    with pytest.raises(UnfitNumbers, match="--decimals 3, round age has 1"):
        task.due()


@pytest.mark.parametrize(
    ("given", "decimals", "said"),
    [
        (numbers("0.25"), 1, "number 1: it needs 2 decimals"),
        (numbers(1, "1e-101"), None, "its numbers need 101 decimals"),
        (numbers(1, "1e80"), 0, "number 2: it is too large"),
        (numbers("1e30"), 60, "number 1: it is too large: with 60 decimals at most 15 digits"),
    ],
)
def test_numbers_for_no_round_are_refused_before_anything_is_said(given, decimals, said):
    table = RoundTable()
    with pytest.raises(UnfitNumbers, match=said):
        StatisticTask(table.terms, table.secret(1), "age", given, table.disks[1], decimals)


def test_a_member_whose_numbers_honest_ones_never_reach_spoils_the_sum_and_learns_no_more():
    """No range is proved: the sum is void for all alike, and nobody's number comes out of it."""
    table = RoundTable()
    for i in (1, 2, 3):
        seat(table, i, numbers(i))
    table.settle()
    opening = opened(table)
    table.settle()
    spoilt = proved([table.toy.key.n // 2], 5, SESSION, opening.digest, table.toy.epoch)
    (attachment,), _ = public_payload(payload_of(spoilt, table.toy.epoch))
    table.publish(5, Draft(SESSION, Contribution(opening.digest, attachment)))
    table.close(SESSION)
    with pytest.raises(CorruptSum, match="outside the range"):
        decrypted(table)


def made(table: RoundTable, opening: Posted, *plaintexts: int) -> list[int]:
    """What a hospital sends whose machine repeats its randomness: its ciphertexts."""
    epoch, secret = table.secret(1)
    maker = ContributionMaker(table.terms, epoch, secret, table.disks[1], fresh=seed_of("again"))
    draft = maker.make_statistic(list(map(mpz, plaintexts)), opening)
    assert isinstance(draft.body, Contribution)
    data = draft.body.ciphertexts.data
    width = 2 * 256 // 8
    found = msgspec.msgpack.decode(data)[0]
    return [int.from_bytes(found[k : k + width], "big") for k in range(0, len(found), width)]


def test_a_machine_that_repeats_its_randomness_gives_no_two_numbers_the_same():
    """c/c' = (1+N)^(m-m') for equal randomness, which would show m - m' to everyone."""
    table, others = RoundTable(), RoundTable()
    table.publish(5, Draft(SESSION, Request(2)))
    others.publish(4, Draft(SESSION, Request(2)))
    first, second = opened(table), opened(others)
    assert first.digest != second.digest
    n = int(table.toy.key.n)
    sent = [*made(table, first, 5, 5), *made(table, first, 5, 6), *made(table, second, 5, 5)]
    residues = [c % n for c in sent]  # r^N mod N: equal for equal randomness
    assert len(set(residues)) == 6
    assert made(table, first, 5, 5) == sent[:2]  # the very same numbers: nothing new to see


def test_the_request_tells_the_scale_and_the_labels_and_nothing_of_the_numbers():
    table = RoundTable()
    seat(table, 1, numbers("1000.2", "5.3", labels=("a", "b")))
    seat(table, 2, numbers("0.1", "70000", labels=("a", "b")))
    table.settle()
    opened(table)
    table.settle()
    view: RoundView = table.view(SESSION)
    sizes = {p.post.body.ciphertexts.size for p in view.contributions.values()}
    assert len(view.contributions) == 2
    assert max(sizes) - min(sizes) <= 3  # numbers of a proof without leading zeros
    assert all(p.post.body.labels == ("a", "b") for p in view.requests.values())
