"""A dealer of a handover on a real board deals something else than its share, or to some only.

What each of these would do if nobody looked is in tests/keyshare/handover/test_misdeeds.py. Here it
is named on the board, the key stays, and the next attempt does without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from gmpy2 import mpz

from keyshare.handover import Dealing, Drawn, HandoverPlan, KeyState
from protocol.handover import view as views
from protocol.messages.handover import HandedDealing
from tests.protocol.handover.table import changed, decrypts
from tests.stage.handover.cheating import Cheat, play
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.handover.rosters import Who
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
WHO: Who = ["G1", 3, 1, "G2", "G3", 4, "G4"]
DEALER = 2  # among the first who can deal; it leaves


def attempt(handed: PostedHandover | None = None) -> PostedHandover:
    table = handed.table if handed else copied(TOY)
    return PostedHandover(table, TOY.secrets, WHO, 4)


def cheated(cheat: Cheat) -> PostedHandover:
    own = TOY.secrets[DEALER].secret_share()
    return play(attempt(), DEALER, lambda at: cheat.handed(at, DEALER, own))


def differs(by: Any) -> Cheat:
    return Cheat(says=lambda plan, said: replace(said, difference=said.difference + by(plan)))


def first(make: Any) -> Cheat:
    def says(plan: HandoverPlan, said: Dealing) -> Dealing:
        coefficients = make(said.coefficients[0], plan.old.n), *said.coefficients[1:]
        return replace(said, coefficients=coefficients)

    return Cheat(says=says)


def mask(make: Any) -> Cheat:
    return Cheat(says=lambda plan, said: replace(said, mask=make(said.mask, plan.old.n)))


def longer(plan: HandoverPlan, drawn: Drawn) -> Drawn:
    return replace(drawn, coefficients=(*drawn.coefficients, mpz(1)))


def shorter(plan: HandoverPlan, drawn: Drawn) -> Drawn:
    return replace(drawn, coefficients=drawn.coefficients[:-1])


NAMED: dict[str, tuple[Cheat, str]] = {
    "one more": (differs(lambda plan: 1), "DIFFERENCE"),
    "one less": (differs(lambda plan: -1), "DIFFERENCE"),
    "a step more": (differs(lambda plan: plan.step), "DIFFERENCE"),
    "a step less": (differs(lambda plan: -plan.step), "DIFFERENCE"),
    "huge": (differs(lambda plan: 4 * plan.difference_bound(DEALER)), "LARGE_DIFFERENCE"),
    "another's share": (Cheat(share=TOY.secrets[3].secret_share()), "DIFFERENCE"),
    "the wrong sign": (
        Cheat(says=lambda plan, said: replace(said, difference=-said.difference)),
        "DIFFERENCE",
    ),
    "too many commitments": (Cheat(draws=longer), "DEGREE"),
    "too few commitments": (Cheat(draws=shorter), "DEGREE"),
    "a mask of 0": (mask(lambda c, n: mpz(0)), "NO_UNIT"),
    "a mask of N": (mask(lambda c, n: n), "NO_UNIT"),
    "a coefficient of 0": (first(lambda c, n: mpz(0)), "NO_UNIT"),
    "a coefficient of N": (first(lambda c, n: n), "NO_UNIT"),
    "another coefficient": (first(lambda c, n: c * c % n), "POINT"),
    "huge ρ": (
        Cheat(draws=lambda plan, drawn: replace(drawn, mask=plan.mask_bound << 200)),
        "LARGE_DIFFERENCE",
    ),
    "a huge coefficient": (
        Cheat(
            draws=lambda plan, drawn: replace(
                drawn, coefficients=(plan.dealt_bound, *drawn.coefficients[1:])
            )
        ),
        "LARGE_POINT",
    ),
    "one wrong point": (Cheat(seals=lambda plan, points: {6: points[6] + 1}), "POINT"),
    "wrong to all but one": (
        Cheat(seals=lambda plan, points: {j: x + 1 for j, x in points.items() if j > 1}),
        "POINT",
    ),
    "a negative point": (Cheat(seals=lambda plan, points: {6: mpz(-1)}), "LARGE_POINT"),
    "of other dealers": (
        Cheat(elsewhere=lambda plan: replace(plan, dealers=(2, 3, 5))),
        "DIFFERENCE",
    ),
}


def is_dead(handed: PostedHandover, *culprits: int) -> None:
    """Nobody else is named, the key is the one from before, and its shares decrypt."""
    board = handed.table.board
    assert handed.view.culprits == set(culprits)
    assert handed.handover.thawed_at == board.head.position
    assert board.epoch == TOY.epoch
    shares = [TOY.secrets[i].secret_share() for i in (1, 3, 4)]
    assert decrypts(TOY.epoch.joint_key(), shares)


@pytest.mark.parametrize("name", NAMED)
def test_the_dealer_is_named_and_the_key_stays(name: str) -> None:
    cheat, fault = NAMED[name]
    handed = cheated(cheat)
    assert [misdeed.fault.name for misdeed in handed.view.misdeeds] == [fault]
    is_dead(handed, DEALER)


def test_the_next_attempt_does_without_it_and_succeeds() -> None:
    second = attempt(cheated(NAMED["one wrong point"][0])).run()
    assert second.about.mistrusted == {DEALER}
    assert DEALER not in second.view.attempt.dealers
    assert second.view.attempt.is_settled


def test_a_share_of_the_epoch_before_is_seen() -> None:
    table = copied(TOY)
    first_handed = PostedHandover(table, TOY.secrets, [1, 2, 3, 4, 5], 3).run()
    stale = TOY.secrets[DEALER].secret_share()
    second = PostedHandover(table, first_handed.new_secrets(), [1, 2, 3, 4, 5], 3)
    play(second, DEALER, lambda at: Cheat(share=stale).handed(at, DEALER, stale))
    assert second.view.culprits == {DEALER}


@pytest.mark.parametrize("spoil", [lambda blob: bytes(len(blob)), lambda blob: blob[::-1]])
def test_a_payload_of_junk_is_seen_by_its_receiver_alone_and_then_by_all(spoil: Any) -> None:
    own = TOY.secrets[DEALER].secret_share()

    def make(at: PostedHandover) -> HandedDealing:
        said = Cheat().handed(at, DEALER, own)
        return changed(said, sealed=(*said.sealed[:-1], spoil(said.sealed[-1])))

    is_dead(play(attempt(), DEALER, make), DEALER)


@pytest.mark.parametrize("sealed", [lambda blobs: blobs[1:], lambda blobs: (b"", *blobs[1:])])
def test_a_payload_that_is_missing_is_seen_by_all(sealed: Any) -> None:
    own = TOY.secrets[DEALER].secret_share()

    def make(at: PostedHandover) -> HandedDealing:
        said = Cheat().handed(at, DEALER, own)
        return changed(said, sealed=sealed(said.sealed))

    handed = play(attempt(), DEALER, make)
    assert [misdeed.fault.name for misdeed in handed.view.misdeeds] == ["SEALED_SIZE"]
    is_dead(handed, DEALER)


# ── what passes, and does nothing ──


HARMLESS = {
    "no mask": Cheat(draws=lambda plan, drawn: replace(drawn, mask=mpz(0))),
    "the other sign of a mask": mask(lambda c, n: n - c),
    "the other sign of a coefficient": first(lambda c, n: n - c),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_passes_makes_a_key_that_every_quorum_decrypts_with(name: str) -> None:
    """A dealer without a mask tells its own share, and that is all."""
    handed = cheated(HARMLESS[name])
    assert handed.view.culprits == frozenset()
    handed.lied.clear()
    assert handed.run().view.attempt.is_settled
    shares = [secret.secret_share() for secret in handed.new_secrets().values()]
    for k in range(7):
        assert decrypts(handed.new_epoch.joint_key(), [shares[(k + a) % 7] for a in range(4)])


# ── without the checks ──


def unseen(monkeypatch: pytest.MonkeyPatch, cheat: Cheat) -> PostedHandover:
    """The same, where nobody looks at dealings, points and the trial, nor at what it reads back."""
    monkeypatch.setattr(views, "wrong_handed", lambda *about: None)
    monkeypatch.setattr("protocol.handover.machine.wrong_points", lambda *about: {})
    monkeypatch.setattr(views, "wrong_shown", lambda *about: None)
    monkeypatch.setattr(
        KeyState, "point", lambda state, share: (state.theta_prime - share.value) // state.n
    )
    handed = cheated(cheat)
    handed.lied.clear()
    return handed.run()


@pytest.mark.parametrize("name", ["another's share", "one wrong point", "wrong to all but one"])
def test_without_the_checks_the_key_is_lost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What adds up all the same is released, and quorums do not decrypt."""
    handed = unseen(monkeypatch, NAMED[name][0])
    if name == "another's share":
        assert not handed.view.attempt.is_released  # it does not even add up
        return
    assert handed.view.attempt.is_released
    shares = [secret.secret_share() for secret in handed.new_secrets().values()]
    assert not decrypts(handed.new_epoch.joint_key(), shares[3:])
