"""One liar in a handover: it is named, nobody else is, and the old epoch stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gmpy2 import mpz

from keyshare.digest import number_bytes
from keyshare.errors import BadHandover
from keyshare.handover import HandoverPlan
from keyshare.randomness import Stream
from protocol.handover import ContentFault, HandoverMember, Succession
from protocol.handover import handed as rules
from protocol.handover.handed import commitment_for, plan_of, show
from protocol.key import Epoch, to_number
from protocol.messages.handover import (
    Arrival,
    BareWord,
    Consent,
    DealingCommitment,
    HandedDealing,
    ShownPart,
)
from protocol.sealing import PUBLIC_BYTES
from tests.protocol.handover.lies import (
    BAD_SHOWN,
    DEALER,
    GUEST,
    STAYS,
    deals,
    is_void,
    key_of,
    lying,
    padded,
    plus,
    rehanded,
    seed_for,
    the_plan,
)
from tests.protocol.handover.table import HandoverTable, changed, refresh, table, three_of_five
from tests.stage.toy import seed_of, toy_epoch

# ── consent and arrival ──


def test_who_consents_to_something_else_is_named() -> None:
    at = lying(lambda at, said: Consent(three_of_five("handover/2").subject), Consent, STAYS)
    is_void(at, (STAYS, "ELSEWHERE"))


ARRIVALS: dict[str, tuple[Callable[[Arrival], Arrival], str]] = {
    "of another session": (
        lambda said: changed(said, subject=three_of_five("handover/2").subject),
        "ELSEWHERE",
    ),
    "a key too few": (lambda said: changed(said, once=said.once[1:]), "KEY_COUNT"),
    "a key too many": (lambda said: changed(said, once=(*said.once, key_of(1))), "KEY_COUNT"),
    "one key for two": (
        lambda said: changed(said, once=(said.once[1], *said.once[1:])),
        "SAME_KEY",
    ),
    "one key for a dealer and for rounds": (
        lambda said: changed(said, for_rounds=said.once[0]),
        "SAME_KEY",
    ),
    "no key": (
        lambda said: changed(said, once=(b"\xff" * PUBLIC_BYTES, *said.once[1:])),
        "BAD_KEY",
    ),
    "a point of small order": (
        lambda said: changed(said, for_rounds=said.for_rounds[:-32] + bytes(32)),
        "BAD_KEY",
    ),
}


@pytest.mark.parametrize("what", ARRIVALS)
@pytest.mark.parametrize("liar", [STAYS, GUEST])
def test_an_arrival_that_is_none_names_who_arrives(what: str, liar: int) -> None:
    change, fault = ARRIVALS[what]
    is_void(lying(lambda at, said: change(said), Arrival, liar), (liar, fault))


def test_who_copies_anothers_keys_names_nobody_and_opens_nothing() -> None:
    """The copy may come first, so that nobody knows whose keys they are."""
    liar = 7

    def copies(at: HandoverTable, said: Arrival) -> Arrival:
        other = at.view.arrivals[GUEST]
        return changed(said, once=other.once)

    at = lying(copies, Arrival, liar)
    is_void(at)
    assert at.view.attempt.shown == set(at.about.rosters.new) - {liar}
    root = seed_of("known to the copier alone")
    handed = at.view.dealings[DEALER]
    plan = at.view.plan
    assert plan is not None
    way = DEALER, liar
    assert rules.unseal_point(at.about, plan, way, handed, root) is None


# ── commitment and dealing ──


def other_dealers(at: HandoverTable) -> HandedDealing:
    return rehanded(at, plan_of(at.about, at.view.arrivals, (1, 3, 5)))


DEALINGS: dict[str, tuple[Callable[[HandoverTable, HandedDealing], HandedDealing], str]] = {
    "a zero before the mask": (lambda at, h: changed(h, mask=padded(h.mask)), "SPELLING"),
    "a zero before a coefficient": (
        lambda at, h: changed(h, coefficients=(padded(h.coefficients[0]), *h.coefficients[1:])),
        "SPELLING",
    ),
    "a zero before the difference": (
        lambda at, h: changed(h, difference=padded(h.difference)),
        "SPELLING",
    ),
    "minus zero": (lambda at, h: changed(h, difference=b"", is_negative=True), "SPELLING"),
    "a payload too few": (lambda at, h: changed(h, sealed=h.sealed[1:]), "SEALED_SIZE"),
    "a payload too many": (lambda at, h: changed(h, sealed=(*h.sealed, b"")), "SEALED_SIZE"),
    "an empty payload": (lambda at, h: changed(h, sealed=(b"", *h.sealed[1:])), "SEALED_SIZE"),
    "a long payload": (
        lambda at, h: changed(h, sealed=(h.sealed[0] + b"x", *h.sealed[1:])),
        "SEALED_SIZE",
    ),
    "another degree": (lambda at, h: changed(h, coefficients=h.coefficients[1:]), "DEGREE"),
    "no unit": (lambda at, h: changed(h, mask=b""), "NO_UNIT"),
    "a mask above N": (
        lambda at, h: changed(h, mask=number_bytes(to_number(h.mask) + at.about.epoch.state.n)),
        "NO_UNIT",
    ),
    "a long difference": (
        lambda at, h: plus(h, 2 * int(the_plan(at).difference_bound(DEALER))),
        "LARGE_DIFFERENCE",
    ),
    "another difference": (lambda at, h: plus(h, 1), "DIFFERENCE"),
    "the other sign": (lambda at, h: changed(h, is_negative=not h.is_negative), "DIFFERENCE"),
    "another share": (
        lambda at, h: rehanded(
            at, the_plan(at), point=at.about.epoch.state.point(toy_epoch(5, 3).shares[DEALER]) + 1
        ),
        "DIFFERENCE",
    ),
    "of other dealers": (lambda at, h: other_dealers(at), "DIFFERENCE"),
}


@pytest.mark.parametrize("what", DEALINGS)
def test_a_wrong_dealing_names_its_dealer(what: str) -> None:
    make, fault = DEALINGS[what]
    is_void(deals(make), (DEALER, fault))


def test_who_opens_something_else_is_named() -> None:
    at = lying(lambda at, said: rehanded(at, the_plan(at)), HandedDealing, DEALER)
    is_void(at, (DEALER, "NOT_COMMITTED"))


def test_who_copies_a_commitment_cannot_open_it() -> None:
    liar, other = 2, 1
    at = table(three_of_five(), liar=liar)
    at.run(lambda view: other in view.attempt.committed)
    at.say(liar, at.view.commitments[other])
    at.has_lied = True
    at.run(lambda view: other in view.attempt.dealt)
    at.say(liar, at.view.dealings[other])
    is_void(at.run(), (liar, "NOT_COMMITTED"))


@pytest.mark.parametrize("change", ["session", "epoch", "arrival"])
def test_a_commitment_of_another_handover_is_not_opened_here(change: str) -> None:
    at = table(three_of_five(), liar=DEALER)
    at.run(lambda view: bool(view.attempt.dealers))
    about, arrivals = at.about, dict(at.view.arrivals)
    if change == "session":
        about = three_of_five("handover/2")
    if change == "epoch":
        epoch = changed(about.epoch, number=about.epoch.number + 1)
        about = Succession(about.old, epoch, about.session, about.new)
    if change == "arrival":
        arrivals[GUEST] = changed(arrivals[GUEST], for_rounds=key_of("another"))
    elsewhere = plan_of(about, arrivals, the_plan(at).dealers)
    made = rehanded(at, elsewhere)
    at.say(DEALER, commitment_for(elsewhere, DEALER, made))
    at.has_lied = True
    at.run(lambda view: view.attempt.is_committed)
    at.say(DEALER, made)
    is_void(at.run(), (DEALER, "NOT_COMMITTED"))


# ── what is shown ──


def the_epoch(at: HandoverTable) -> Epoch:
    assert at.view.epoch is not None
    return at.view.epoch


def shown_by(at: HandoverTable, member: int, **other: Any) -> ShownPart:
    """A part as this member's share makes it, for another plan or epoch."""
    secret = at.members[member]._new_secret()
    assert secret is not None
    plan, epoch = other.get("plan", the_plan(at)), other.get("epoch", the_epoch(at))
    share = other.get("share", secret.secret_share())
    return show(plan, epoch, share, Stream.derive(seed_of("proof"), "x"))


def another_session(at: HandoverTable) -> HandoverPlan:
    other = three_of_five("handover/2")
    return plan_of(other, at.view.arrivals, the_plan(at).dealers)


SHOWN: dict[str, tuple[Callable[[HandoverTable, ShownPart], ShownPart], str]] = {
    "the other root": (
        lambda at, s: changed(
            s, part=number_bytes(to_number(s.part) ** 2 % the_plan(at).old.n ** 2)
        ),
        "PART",
    ),
    "no unit": (lambda at, s: changed(s, part=b""), "PART"),
    "above N²": (
        lambda at, s: changed(s, part=number_bytes(to_number(s.part) + the_plan(at).old.n ** 2)),
        "PART",
    ),
    "a zero before it": (lambda at, s: changed(s, part=padded(s.part)), "SPELLING"),
    "a zero in the proof": (
        lambda at, s: changed(s, proof=changed(s.proof, response=padded(s.proof.response))),
        "SPELLING",
    ),
    "the old share's": (lambda at, s: shown_by(at, STAYS, share=changed_share(at)), "PART"),
    "of another session": (lambda at, s: shown_by(at, STAYS, plan=another_session(at)), "PART"),
    "of another epoch": (
        lambda at, s: shown_by(at, STAYS, epoch=changed(the_epoch(at), number=9)),
        "PART",
    ),
}


def changed_share(at: HandoverTable) -> Any:
    old = toy_epoch(5, 3).shares[STAYS]
    return type(old)(at.about.new_number(STAYS), old.value)


@pytest.mark.parametrize("what", SHOWN)
def test_a_wrong_part_names_who_shows_it(what: str) -> None:
    make, fault = SHOWN[what]
    is_void(lying(make, ShownPart, STAYS), (STAYS, fault))


def test_anothers_part_is_not_ones_own() -> None:
    """The one before it on the board, byte for byte."""

    def copies(at: HandoverTable, said: ShownPart) -> ShownPart:
        return next(s for _, s in at.entries if isinstance(s, ShownPart))

    is_void(lying(copies, ShownPart, 4), (4, "PART"))


def test_with_one_verification_key_for_all_a_proof_is_still_one_members(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Colluders can make P' constant. Then all keys are the same, and so are all parts."""
    real = rules.new_epoch

    def constant(*about: Any) -> Any:
        epoch = real(*about)
        return changed(epoch, verification_keys=epoch.verification_keys[:1] * 7)

    monkeypatch.setattr("protocol.handover.view.new_epoch", constant)
    at = table(three_of_five())
    at.run(lambda view: view.attempt.is_dealt)
    epoch, plan = at.view.epoch, the_plan(at)
    assert epoch is not None
    first = at.about.rosters.new[0]
    secret = seed_of_share(at, first)
    said = show(plan, epoch, secret, Stream.derive(seed_of("proof"), "x"))
    assert rules.wrong_shown(plan, epoch, 1, said) is None
    assert rules.wrong_shown(plan, epoch, 2, said) is ContentFault.PART


def seed_of_share(at: HandoverTable, member: int) -> Any:
    points = {
        i: rules.unseal_point(
            at.about, the_plan(at), (i, member), at.view.dealings[i], seed_for(at, i, member)
        )
        for i in the_plan(at).dealers
    }
    epoch = at.view.epoch
    assert epoch is not None
    total = sum((point for point in points.values() if point is not None), mpz(0))
    return epoch.state.share(at.about.new_number(member), total)


# ── dealings that do not add up, and silence ──


def test_dealings_that_do_not_add_up_name_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*about: Any) -> Any:
        raise BadHandover("a test")

    monkeypatch.setattr("protocol.handover.handed.advance", fails)
    at = table(refresh())
    at.run(lambda view: view.attempt.is_dealt)
    at.say(1, BAD_SHOWN)
    is_void(at.run(), (0, "SUM"))


SILENT = [
    (Arrival, GUEST),
    (DealingCommitment, DEALER),
    (HandedDealing, DEALER),
    (ShownPart, GUEST),
]


@pytest.mark.parametrize(("kind", "liar"), SILENT)
def test_silence_names_nobody_and_the_attempt_is_void(kind: type[Any], liar: int) -> None:
    is_void(lying(lambda at, said: None, kind, liar))


def test_a_void_that_one_says_alone_keeps_nobody_from_handing_over() -> None:
    at = table(three_of_five())
    at.say(5, BareWord("void"))
    assert at.run().view.attempt.is_settled


def test_an_attempt_after_one_that_died() -> None:
    """With the same shelves; nothing of the first is taken for the second's."""
    first = deals(lambda at, handed: plus(handed, 1))
    second = table(three_of_five("handover/2"))
    second.shelves = first.shelves
    second.members = {i: HandoverMember(second.about, i, first.shelves[i]) for i in first.shelves}
    second.run()
    assert second.view.attempt.is_settled
    assert second.named == []
