"""Wrong sealed points, and who is named when a new member accuses a dealer."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import pytest

from keyshare.handover import HandoverPlan
from protocol.encoding import decode, width_of
from protocol.errors import BadSeal
from protocol.handover import Succession
from protocol.handover import handed as rules
from protocol.handover.handed import plan_of, seal_context
from protocol.handover.shelf import ArrivalSecret
from protocol.messages.handover import HandedDealing, PointAccusation
from protocol.sealing import SealingKey, seal
from protocol.terms.predecessor import Predecessor
from tests.protocol.handover.lies import (
    BAD_SHOWN,
    DEALER,
    DEALERS,
    GUEST,
    STAYS,
    deals,
    is_void,
    seed_for,
    the_plan,
)
from tests.protocol.handover.table import HandoverTable, changed, table, three_of_five
from tests.stage.toy import seed_of

# ── what is sealed ──


def sealed_for(
    at: HandoverTable,
    payload: bytes,
    about: Succession | None = None,
    plan: HandoverPlan | None = None,
    way: tuple[int, int] = (DEALER, GUEST),
) -> bytes:
    """To the key that the newcomer has for the dealer, as if it belonged elsewhere."""
    context = seal_context(about or at.about, plan or the_plan(at), *way)
    return seal(at.view.arrivals[GUEST].once[DEALER - 1], payload, context)


def elsewhere(at: HandoverTable) -> HandoverPlan:
    return plan_of(at.about, at.view.arrivals, (1, 3, 5))


def with_sealed(at: HandoverTable, handed: HandedDealing, sealed: bytes) -> HandedDealing:
    """In place of what the newcomer gets."""
    place = at.about.new_number(GUEST) - 1
    both = (*handed.sealed[:place], sealed, *handed.sealed[place + 1 :])
    return changed(handed, sealed=both)


def renamed(about: Succession) -> Succession:
    old = changed(about.old, name="Another")
    epoch = changed(about.epoch, federation=old.federation)
    new = changed(about.new, predecessor=Predecessor(old.federation, "handover"))
    return replace(about, old=old, epoch=epoch, new=new)


def width(at: HandoverTable) -> int:
    return width_of(the_plan(at).dealt_bound)


def spoilt(at: HandoverTable, handed: HandedDealing) -> bytes:
    sealed = handed.sealed[at.about.new_number(GUEST) - 1]
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


def its_point(at: HandoverTable, handed: HandedDealing) -> bytes:
    """The right one, as bytes."""
    data = at.shelves[GUEST].kept["handover/1/arrival"]
    seed = decode(data, ArrivalSecret, "", 1 << 20).seed_for(DEALER)
    point = rules.unseal_point(at.about, the_plan(at), (DEALER, GUEST), handed, seed)
    assert point is not None
    return int(point).to_bytes(width(at), "big")


SEALED: dict[str, tuple[Callable[[HandoverTable, HandedDealing], bytes], str]] = {
    "junk": (lambda at, h: secrets.token_bytes(len(h.sealed[0])), "UNSEALED"),
    "one bit wrong": (spoilt, "UNSEALED"),
    "another member's": (lambda at, h: h.sealed[at.about.new_number(STAYS) - 1], "UNSEALED"),
    "of another session": (
        lambda at, h: sealed_for(at, its_point(at, h), three_of_five("handover/2")),
        "UNSEALED",
    ),
    "of another federation": (
        lambda at, h: sealed_for(at, its_point(at, h), renamed(at.about)),
        "UNSEALED",
    ),
    "of another plan": (
        lambda at, h: sealed_for(at, its_point(at, h), plan=elsewhere(at)),
        "UNSEALED",
    ),
    "as if by another dealer": (
        lambda at, h: sealed_for(at, its_point(at, h), way=(STAYS, GUEST)),
        "UNSEALED",
    ),
    "as if to another member": (
        lambda at, h: sealed_for(at, its_point(at, h), way=(DEALER, STAYS)),
        "UNSEALED",
    ),
    "to the key for another dealer": (
        lambda at, h: seal(
            at.view.arrivals[GUEST].once[STAYS - 1],
            its_point(at, h),
            seal_context(at.about, the_plan(at), DEALER, GUEST),
        ),
        "UNSEALED",
    ),
    "a long point": (lambda at, h: sealed_for(at, b"\xff" * width(at)), "LARGE_POINT"),
    "another point": (lambda at, h: sealed_for(at, bytes(width(at))), "POINT"),
}


@pytest.mark.parametrize("what", SEALED)
def test_a_wrong_sealed_point_is_complained_of_and_names_its_dealer(what: str) -> None:
    make, fault = SEALED[what]
    at = deals(lambda at, handed: with_sealed(at, handed, make(at, handed)))
    is_void(at, (DEALER, fault))
    assert at.accusations == [(GUEST, DEALER)]


def test_an_accusation_does_not_open_what_another_dealer_has_sealed() -> None:
    """Though a dealer repeats it as its own, so that its receiver has to complain."""
    at = table(three_of_five())
    at.run(lambda view: view.attempt.is_dealt)
    theirs = at.view.dealings[2].sealed[at.about.new_number(GUEST) - 1]
    shown = seed_for(at, DEALER)
    for dealer in at.view.attempt.dealers:
        place = seal_context(at.about, the_plan(at), dealer, GUEST)
        with pytest.raises(BadSeal):
            SealingKey(shown).unseal(theirs, place)


# ── accusations ──


def accuse(seed: Callable[[HandoverTable], bytes], accuser: int = GUEST) -> HandoverTable:
    at = table(three_of_five(), liar=accuser)
    at.run(lambda view: view.attempt.is_dealt)
    at.say(accuser, PointAccusation(DEALER, seed(at)))
    at.has_lied = True
    return at.run()


@pytest.mark.parametrize("accuser", [GUEST, STAYS])
def test_a_false_accusation_names_its_accuser(accuser: int) -> None:
    at = accuse(lambda at: seed_for(at, DEALER, accuser), accuser)
    is_void(at, (accuser, "FALSE_ACCUSATION"))


@pytest.mark.parametrize(
    "seed",
    [lambda at: seed_of("made up"), lambda at: seed_for(at, 2), lambda at: seed_for(at, DEALER, 7)],
    ids=["made up", "for another dealer", "another member's"],
)
def test_an_accusation_with_a_wrong_key_names_its_accuser(
    seed: Callable[[HandoverTable], bytes],
) -> None:
    is_void(accuse(seed), (GUEST, "MADE_UP_KEY"))


def test_an_accusation_counts_only_from_a_new_member_of_one_that_has_dealt() -> None:
    at = table(three_of_five())
    at.run(lambda view: view.attempt.is_committed)
    assert at.view.attempt.dealers == DEALERS
    at.say(GUEST, PointAccusation(DEALER, seed_of("early")))
    at.run(lambda view: view.attempt.is_dealt)
    at.say(2, PointAccusation(DEALER, seed_of("it leaves")))
    at.say(GUEST, PointAccusation(STAYS, seed_of("no dealer")))
    at.run()
    assert at.named == []
    assert at.view.attempt.is_settled


def test_an_accusation_after_the_end_has_no_effect() -> None:
    at = table(three_of_five())
    at.run(lambda view: view.attempt.outcome == "held")
    at.say(GUEST, PointAccusation(DEALER, seed_of("late")))
    at.run()
    assert at.named == []
    assert at.view.attempt.is_settled


def test_of_who_was_named_nothing_is_checked_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    at = table(three_of_five())
    at.run(lambda view: view.attempt.is_dealt)
    at.say(GUEST, PointAccusation(DEALER, seed_of("made up")))
    calls = list[object]()
    monkeypatch.setattr("protocol.handover.view.judged", lambda *about: calls.append(about))
    monkeypatch.setattr("protocol.handover.view.wrong_shown", lambda *about: calls.append(about))
    at.say(GUEST, PointAccusation(DEALER, seed_of("made up")))
    at.say(GUEST, PointAccusation(2, seed_of("made up")))
    at.say(GUEST, BAD_SHOWN)
    assert not calls
    assert at.named == [(GUEST, "MADE_UP_KEY")]


def test_a_dealer_is_named_once() -> None:
    at = table(three_of_five(), liar=DEALER)
    at.run(lambda view: len(view.attempt.dealt) == 2)
    assert DEALER in at.view.attempt.dealt
    seeds = {i: seed_for(at, DEALER, i) for i in at.about.rosters.new}
    handed = at.view.dealings[DEALER]
    junk = changed(handed, sealed=tuple(bytes(len(s)) for s in handed.sealed))
    for member in at.members.values():
        member.view = replace(member.view, dealings={**member.view.dealings, DEALER: junk})
    for i, seed in seeds.items():
        at.say(i, PointAccusation(DEALER, seed))
    assert at.named == [(DEALER, "UNSEALED")]
