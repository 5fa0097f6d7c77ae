"""The auditor's own computation of a key that was handed over sees what the members' code sees."""

from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest
from gmpy2 import mpz

from keyshare.digest import number_bytes
from keyshare.handover import LAMBDA, Dealing, HandoverPlan
from protocol.handover.handed import dealing_of, trial_of
from protocol.key.epoch import Epoch, to_number
from protocol.record.audit.observed.handed_key import faults_of_dealing, faults_of_epoch, parts_open
from tests.protocol.handover.table import HandoverTable, refresh, table, three_of_five

SUCCESSIONS = {"leavers and newcomers": three_of_five, "refresh": refresh}


@cache
def held(name: str) -> HandoverTable:
    return table(SUCCESSIONS[name]()).run(lambda view: view.attempt.outcome == "held")


def plan_of(at: HandoverTable) -> HandoverPlan:
    assert at.view.plan is not None
    return at.view.plan


def said_at(at: HandoverTable) -> dict[int, Dealing]:
    return {i: dealing_of(handed) for i, handed in at.view.dealings.items()}


def epoch_faults(at: HandoverTable, epoch: Epoch | None = None, **changes: Any) -> list[str]:
    """What is wrong with the epoch that follows; ``changes``: to its dealings or arrivals."""
    keys = [at.view.arrivals[member].for_rounds for member in at.about.rosters.new]
    new = epoch or at.view.epoch
    assert new is not None
    said = changes.get("said", said_at(at))
    return list(faults_of_epoch(at.about, plan_of(at), said, changes.get("keys", keys), new))


@pytest.mark.parametrize("name", SUCCESSIONS)
def test_what_honest_members_deal_and_what_follows_has_no_fault(name: str) -> None:
    at = held(name)
    for dealer, dealing in said_at(at).items():
        assert list(faults_of_dealing(plan_of(at), dealer, dealing)) == []
    assert epoch_faults(at) == []


DEALINGS = {
    "another difference": (lambda d: {"difference": d.difference + 1}, "does not fit its share"),
    "another mask": (lambda d: {"mask": mpz(2)}, "does not fit its share"),
    "a huge difference": (lambda d: {"difference": d.difference << 9_999}, "out of range"),
    "a very negative one": (lambda d: {"difference": -1 << 99_999}, "out of range"),
    "a coefficient too few": (lambda d: {"coefficients": d.coefficients[1:]}, "coefficients, due"),
    "a coefficient too many": (lambda d: {"coefficients": (*d.coefficients, mpz(3))}, "due are"),
    "zero": (lambda d: {"coefficients": (mpz(0), *d.coefficients[1:])}, "no unit"),
    "no unit as mask": (lambda d: {"mask": mpz(0)}, "no unit"),
}


@pytest.mark.parametrize("name", DEALINGS)
def test_a_wrong_dealing_has_its_fault(name: str) -> None:
    at, dealer = held("leavers and newcomers"), 2
    change, words = DEALINGS[name]
    said = said_at(at)[dealer]
    fields = {"mask": said.mask, "coefficients": said.coefficients, "difference": said.difference}
    wrong = Dealing(**{**fields, **change(said)})
    assert any(words in fault for fault in faults_of_dealing(plan_of(at), dealer, wrong))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_range_of_a_difference_ends_where_it_does_for_members(sign: int) -> None:
    at, dealer = held("leavers and newcomers"), 2
    plan, said = plan_of(at), said_at(at)[dealer]
    bound = sign * plan.difference_bound(dealer)
    (outside,) = faults_of_dealing(plan, dealer, replace(said, difference=bound))
    (inside,) = faults_of_dealing(plan, dealer, replace(said, difference=bound - sign))
    assert "out of range" in outside
    assert "does not fit" in inside


def test_what_shares_a_factor_with_n_is_no_unit() -> None:
    at, dealer = held("leavers and newcomers"), 2
    plan, said = plan_of(at), said_at(at)[dealer]
    known = replace(plan, old=replace(plan.old, n=plan.old.n * 3))  # a factor of which is known
    (fault,) = faults_of_dealing(known, dealer, replace(said, mask=mpz(3)))
    assert "no unit" in fault


def test_a_dealing_is_its_dealers_alone() -> None:
    at = held("leavers and newcomers")
    said = said_at(at)
    assert list(faults_of_dealing(plan_of(at), 1, said[2]))


def plus(number: bytes, more: int = 1) -> bytes:
    return number_bytes(to_number(number) + more)


def first(values: tuple[bytes, ...], value: bytes) -> tuple[bytes, ...]:
    return (value, *values[1:])


EPOCHS: dict[str, Any] = {
    "federation": (lambda e: {"federation": bytes(32)}, "federation"),
    "number": (lambda e: {"number": e.number + 1}, "not the next one"),
    "the same number": (lambda e: {"number": e.number - 1}, "not the next one"),
    "first_members": (lambda e: {"first_members": e.first_members + 1}, "is another"),
    "base": (lambda e: {"verification_base": plus(e.verification_base)}, "is another"),
    "n": (lambda e: {"n": plus(e.n, 4)}, ""),
    "quorum": (lambda e: {"quorum": e.quorum - 1}, "quorum"),
    "theta": (lambda e: {"theta": plus(e.theta)}, "less N times"),
    "theta by N": (lambda e: {"theta": plus(e.theta, int(to_number(e.n)))}, "less N times"),
    "sign": (lambda e: {"is_negative": not e.is_negative}, "less N times"),
    "point_bound": (lambda e: {"point_bound": plus(e.point_bound)}, "bound of points"),
    "constant": (lambda e: {"commitments": first(e.commitments, b"\3")}, "products"),
    "commitment": (lambda e: {"commitments": (*e.commitments[:-1], b"\3")}, "products"),
    "key": (
        lambda e: {"verification_keys": first(e.verification_keys, e.verification_keys[1])},
        "do not follow",
    ),
    "sealing key": (
        lambda e: {"sealing_keys": first(e.sealing_keys, e.sealing_keys[1])},
        "sealing keys",
    ),
}


@pytest.mark.parametrize("name", EPOCHS)
def test_an_epoch_with_another_field_has_its_fault(name: str) -> None:
    at = held("leavers and newcomers")
    change, words = EPOCHS[name]
    epoch = at.view.epoch
    assert epoch is not None
    assert any(
        words in fault
        for fault in epoch_faults(at, msgspec.structs.replace(epoch, **change(epoch)))
    )


def test_a_key_that_never_fit_is_seen_though_all_follows_from_it() -> None:
    """The old epoch's commitments are to another polynomial than its θ'."""
    at = held("leavers and newcomers")
    new, n = at.view.epoch, plan_of(at).old.n
    assert new is not None
    said = said_at(at)
    mask = said[1].mask * 2 % n
    said[1] = Dealing(mask, said[1].coefficients, said[1].difference)
    commitment = to_number(new.commitments[0]) * pow(mpz(2), LAMBDA, n) % n
    constant = msgspec.structs.replace(
        new, commitments=first(new.commitments, number_bytes(commitment))
    )
    faults = epoch_faults(at, constant, said=said)
    assert "θ' does not fit the new commitments" in faults
    assert not any("products" in fault for fault in faults)


def test_an_old_key_that_never_fit_is_seen_too() -> None:
    at = held("leavers and newcomers")
    plan, new = plan_of(at), at.view.epoch
    assert new is not None
    old = replace(plan.old, theta_prime=plan.old.theta_prime + plan.old.n)
    keys = [at.view.arrivals[member].for_rounds for member in at.about.rosters.new]
    faults = list(faults_of_epoch(at.about, replace(plan, old=old), said_at(at), keys, new))
    assert "θ' does not fit the old commitments" in faults
    assert "θ' does not fit the new commitments" not in faults


def test_the_shown_parts_of_every_quorum_of_neighbours_give_the_test_value() -> None:
    at = held("leavers and newcomers")
    new, plan = at.view.epoch, plan_of(at)
    assert new is not None
    shown = {
        at.about.new_number(sender): content.part
        for sender, content in at.entries
        if hasattr(content, "part")
    }
    trial = trial_of(plan, new)
    assert len(shown) == 7
    assert parts_open(new, trial, shown)
    assert not parts_open(new, bytes(32), shown)
    for member in shown:
        assert not parts_open(new, trial, {**shown, member: plus(shown[member])})
        assert not parts_open(new, trial, {**shown, member: b""})
