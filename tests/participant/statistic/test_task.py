"""Contributing numbers to a statistic: as its plan asks for them, once it is approved and open."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from gmpy2 import mpz

from keyshare.errors import CorruptSum
from participant.errors import (
    ApprovedLate,
    NotApproved,
    NotInStudy,
    OtherKind,
    StudyEnded,
    UnfitNumbers,
    UnknownStudy,
)
from participant.rounds.contribution import ContributionMaker
from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from protocol.board.draft import Draft, public_payload
from protocol.board.post import Posted
from protocol.messages.plan import Ending, Withdrawal
from protocol.messages.rounds import Contribution
from tests.stage.rounds.contribution import payload_of, proved
from tests.stage.rounds.round_table import RoundTable
from tests.stage.studies import STATISTIC, approval, proposal, statistic_study
from tests.stage.toy import number_secret, seed_of, toy_epoch

TERMS = toy_epoch().federation.terms
SESSION = "study/age/1"


def table_of(**changes: Any) -> RoundTable:
    """Hospitals that have all approved a statistic of two numbers, but for the changes."""
    return RoundTable(study=statistic_study(TERMS, **changes))


def numbers(*values: Any, labels: tuple[str, ...] = ()) -> Numbers:
    return Numbers("numbers.csv", tuple(Decimal(str(value)) for value in values), labels)


def seat(table: RoundTable, index: int, given: Numbers, name: str = STATISTIC) -> StatisticTask:
    place = table.terms, name, table.ring(index), given, table.disks[index]
    task = StatisticTask(*place, number_secret(index))
    table.seat(index, task)
    return task


def opened(table: RoundTable, **changes: Any) -> Posted:
    """The aggregator opens the statistic, but for the changes."""
    return table.open(SESSION, **changes)


def decrypted(table: RoundTable) -> list[Decimal]:
    """What a quorum finds in the closed statistic."""
    tasks = {
        i: DecryptionTask(
            table.terms, STATISTIC, None, table.ring(i), table.disks[i], lambda request: True
        )
        for i in table.toy.federation.members
    }
    for i, task in tasks.items():
        table.seat(i, task)
    table.settle()
    assert len({tuple(task.sums or ()) for task in tasks.values()}) == 1
    return tasks[1].sums or []


def test_numbers_are_added_at_the_scale_of_the_plan() -> None:
    table = table_of(decimals=2)
    tasks = [seat(table, i, numbers(5, i)) for i in (2, 3, 4)]
    tasks.append(seat(table, 1, numbers("3", "0.25")))
    table.settle()
    assert not any(task.done for task in tasks)
    assert tasks[0].waiting(table.board)[:2] == ("opening", (0,))
    opened(table)
    table.settle()
    assert all(task.done for task in tasks)
    table.close(SESSION)
    assert list(map(str, decrypted(table))) == ["18.00", "9.25"]


def test_members_state_the_set_and_not_even_a_hash_of_the_sums() -> None:
    """Sums of small numbers are guessed in a second by whoever reads the board."""
    table = table_of(length=1)
    opened(table)
    for i in (1, 2, 3):
        seat(table, i, numbers(i))
        table.settle()
    table.close(SESSION)
    decrypted(table)
    stated = {said.result for said in table.view(SESSION).statements.values()}
    assert stated == {table.view(SESSION).chosen(table.terms.federation)}


@pytest.mark.parametrize(
    ("planned", "own", "said"),
    [
        ({"decimals": 1}, numbers(1), "it has 1 number, study age has 2"),
        ({"decimals": 1}, numbers(1, "0.25"), r"number 2: it needs 2 decimals, the round has 1"),
        ({"labels": ("m", "w")}, numbers(1, 2), "no labels, study age has 'm', 'w'"),
        (
            {},
            numbers(1, 2, labels=("m", "w")),
            r"have labels \('m', 'w'\), study age has 2 numbers",
        ),
        (
            {"labels": ("m", "w")},
            numbers(1, 2, labels=("m", "f")),
            r"study age has no 'f' \(number 2\)",
        ),
        ({"labels": ("m", "w")}, numbers(1, 2, labels=("w", "m")), "number 1 is 'w'.*'m'"),
        ({}, numbers(1, "1e80"), "number 2: it is too large"),
    ],
)
def test_numbers_that_are_not_as_planned_are_refused_before_the_round_is_open(
    planned: dict[str, Any], own: Numbers, said: str
) -> None:
    task = seat(table_of(**planned), 1, own)
    with pytest.raises(UnfitNumbers, match=said) as caught:
        task.due()
    assert caught.value.remedy
    assert not task.sent


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": b"p" * 32},
        {"length": 3},
        {"model": b"m" * 32},
        {"clip": 1.0},
        {"suite": "hybrid"},
        {"epoch": b"e" * 32},
    ],
)
def test_what_is_opened_otherwise_than_planned_gets_no_number(changes: dict[str, Any]) -> None:
    table = table_of()
    task = seat(table, 1, numbers(1, 2))
    opened(table, **changes)
    with pytest.raises(UnfitNumbers, match="opened otherwise than planned"):
        task.due()
    assert not task.sent


def test_a_statistic_that_is_closed_already_gets_no_number() -> None:
    table = table_of(length=1)
    for i in (1, 2, 3):
        seat(table, i, numbers(i))
    opened(table)
    table.settle()
    table.close(SESSION)
    with pytest.raises(UnfitNumbers, match="closed already"):
        seat(table, 4, numbers(4)).due()


# ── rule 10: nothing without this hospital's own approval ──


def approved_by(*members: int) -> RoundTable:
    """A statistic that these hospitals have approved, at a table of its own."""
    table, study = RoundTable(), statistic_study(TERMS)
    table.found(study, members)
    table.study = study.name
    return table


def test_without_this_hospitals_own_approval_nothing_is_contributed() -> None:
    table = approved_by(2, 3, 4, 5)
    opened(table)
    task = seat(table, 1, numbers(1, 2))
    with pytest.raises(NotApproved) as caught:
        task.due()
    assert (caught.value.study, caught.value.what, caught.value.withdrawn) == (
        "age", "contribute", False,
    )  # fmt: skip
    assert not table.disks[1].files


def test_nor_after_it_was_taken_back() -> None:
    table = approved_by(1, 2, 3, 4, 5)
    opened(table)
    task = seat(table, 1, numbers(1, 2))
    digest = statistic_study(TERMS).digest
    table.publish(1, Draft("study/age", Withdrawal(digest)))
    with pytest.raises(NotApproved) as caught:
        task.due()
    assert caught.value.withdrawn


def test_an_approval_to_open_is_none_to_contribute() -> None:
    table = approved_by(2, 3, 4, 5)
    table.publish(1, approval(statistic_study(TERMS), contribute=False))
    with pytest.raises(NotApproved):
        seat(table, 1, numbers(1, 2)).due()


def test_who_approves_after_the_opening_comes_too_late() -> None:
    table = approved_by(2, 3, 4, 5)
    opened(table)
    table.publish(1, approval(statistic_study(TERMS)))
    with pytest.raises(ApprovedLate) as caught:
        seat(table, 1, numbers(1, 2)).due()
    assert caught.value.round_name == "age/1"


def test_a_study_that_was_ended_takes_nothing_and_says_who_ended_it() -> None:
    table = approved_by(1, 2, 3, 4, 5)
    task = seat(table, 1, numbers(1, 2))
    opened(table)
    for i in (2, 3, 4, 5):
        table.publish(i, Draft("study/age", Ending(statistic_study(TERMS).digest)))
    with pytest.raises(StudyEnded) as caught:
        task.due()
    assert caught.value.by == ("H2", "H3", "H4", "H5")


def test_a_post_that_crosses_with_the_end_is_explained_by_it() -> None:
    table = approved_by(1, 2, 3, 4, 5)
    task = seat(table, 1, numbers(1, 2))
    opened(table)
    draft = task.due()
    assert draft is not None
    post = table.board.open(table.sign(draft.session, 1, draft.body))
    assert not task.explains(post)
    for i in (2, 3, 4, 5):
        table.publish(i, Draft("study/age", Ending(statistic_study(TERMS).digest)))
    assert task.explains(post)
    with pytest.raises(StudyEnded):
        task.due()


def test_studies_that_are_not_there_or_are_none_for_numbers_are_named() -> None:
    table = RoundTable()
    with pytest.raises(UnknownStudy) as caught:
        seat(table, 1, numbers(1, 2)).due()
    assert caught.value.known == ("cardio",)
    with pytest.raises(OtherKind) as other:
        seat(table, 1, numbers(1, 2), "cardio").due()
    assert other.value.kind == "training"
    few = statistic_study(TERMS, name="few", members=(2, 3, 4))
    table.publish(2, proposal(few))
    with pytest.raises(NotInStudy) as outside:
        seat(table, 1, numbers(1, 2), "few").due()
    assert outside.value.name == "H1"


# ── what is sent ──


def test_a_member_whose_numbers_honest_ones_never_reach_spoils_the_sum_and_learns_no_more() -> None:
    """No range is proved: the sum is void for all alike, and nobody's number comes out of it."""
    table = table_of(length=1)
    for i in (1, 2, 3):
        seat(table, i, numbers(i))
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
    held, study = table.ring(1).current, table.study_of(SESSION)
    maker = ContributionMaker(study, *held, table.disks[1], fresh=seed_of("again"))
    draft = maker.make_statistic(list(map(mpz, plaintexts)), opening)
    assert isinstance(draft.body, Contribution)
    data = draft.body.ciphertexts.data
    width = 2 * 256 // 8
    found = msgspec.msgpack.decode(data)[0]
    return [int.from_bytes(found[k : k + width], "big") for k in range(0, len(found), width)]


def test_a_machine_that_repeats_its_randomness_gives_no_two_numbers_the_same() -> None:
    """c/c' = (1+N)^(m-m') for equal randomness, which would show m - m' to everyone."""
    table, others = table_of(), table_of(seconds=11)
    first, second = opened(table), opened(others)
    assert first.digest != second.digest
    n = int(table.toy.key.n)
    sent = [*made(table, first, 5, 5), *made(table, first, 5, 6), *made(others, second, 5, 5)]
    residues = [c % n for c in sent]  # r^N mod N: equal for equal randomness
    assert len(set(residues)) == 6
    assert made(table, first, 5, 5) == sent[:2]  # the very same numbers: nothing new to see


def test_what_is_said_tells_nothing_of_the_numbers() -> None:
    table = table_of(decimals=1, labels=("a", "b"))
    seat(table, 1, numbers("1000.2", "5.3", labels=("a", "b")))
    seat(table, 2, numbers("0.1", "70000", labels=("a", "b")))
    opened(table)
    table.settle()
    view = table.view(SESSION)
    sizes = {p.post.body.ciphertexts.size for p in view.contributions.values()}
    assert len(view.contributions) == 2
    assert max(sizes) - min(sizes) <= 3  # numbers of a proof without leading zeros
