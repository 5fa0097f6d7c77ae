"""Two of three dealers wait for the third's dealing, and undo its coefficients with theirs.

The new polynomial is constant. The third has the whole key for its share, and its part alone
decrypts where three should be needed. The two know no share of the new epoch. So they also have to
pass a copy of the third's part of the trial for their own.
Gennaro, Jarecki, Krawczyk, Rabin, EUROCRYPT 1999, on what the last dealer may choose.
"""

from __future__ import annotations

from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.handover import LAMBDA, Dealing, Drawn, HandoverPlan, deal
from keyshare.key import trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from protocol.encoding import decode
from protocol.handover import handed as rules
from protocol.handover import view as views
from protocol.handover.handed import commitment_for, dealing_of, unseal_point
from protocol.handover.shelf import ArrivalSecret
from protocol.key import Epoch, EpochSecret, proof_context
from protocol.messages.handover import BareWord, DealingCommitment, HandedDealing
from tests.stage.handover.cheating import as_said
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.toy import toy_epoch

TOY = toy_epoch(3, 3)
COALITION, HONEST = (1, 2), 3


def point_for(at: PostedHandover, member: int) -> mpz:
    """What the honest dealer has sealed to a member of the coalition."""
    data = at.shelves[member].kept[f"{at.session}/arrival"]
    seed = decode(data, ArrivalSecret, "", 1 << 20).seed_for(HONEST)
    plan, handed = at.view.plan, at.view.dealings[HONEST]
    assert plan is not None
    point = unseal_point(at.about, plan, (HONEST, member), handed, seed)
    assert point is not None
    return point


def dealt_last(at: PostedHandover) -> dict[int, HandedDealing]:
    """The coalition's dealings, when the honest one is there to be undone."""
    plan, state = at.view.plan, at.about.epoch.state
    assert plan is not None
    theirs, tail = dealing_of(at.view.dealings[HONEST]), 3 * (point_for(at, 2) - point_for(at, 1))
    own = {i: state.point(TOY.secrets[i].secret_share()) for i in COALITION}
    mask = tail // LAMBDA + plan.mask_bound
    one = deal(plan, 1, own[1], Drawn(mask, ()))
    undone = tuple(gmpy2.invert(c, state.n) for c in theirs.coefficients)
    two = deal(plan, 2, own[2], Drawn(mpz(5), (mpz(0), mpz(0))))
    undoing = Dealing(one.mask, undone, one.difference)
    nothing = {1: mpz(0), 2: mpz(0)}
    return {
        1: as_said(at, 1, undoing, nothing | {HONEST: LAMBDA * mask - tail}),
        2: as_said(at, 2, two, nothing | {HONEST: LAMBDA * mpz(5)}),
    }


def played() -> PostedHandover:
    """A refresh of 3 of 3 in which the coalition commits to nothing, deals last, and copies."""
    at = PostedHandover(copied(TOY), TOY.secrets, [1, 2, 3], 3)
    at.run(lambda view: bool(view.attempt.dealers))
    at.lied.update(COALITION)
    for i in COALITION:
        at.say(i, DealingCommitment(bytes([i]) * 32))
    at.run(lambda view: HONEST in view.attempt.dealt)
    for i, handed in dealt_last(at).items():
        at.say(i, handed)
    at.run(lambda view: HONEST in view.attempt.shown or bool(view.misdeeds))
    if not at.view.misdeeds:
        shown = next(content for sender, content in at.words[::-1] if sender == HONEST)
        for i in COALITION:
            at.say(i, shown)
        for i in COALITION:
            at.say(i, BareWord("release"))
    return at.run()


def takes_any_commitment(patch: pytest.MonkeyPatch) -> None:
    real = rules.wrong_handed

    def wrong(plan: HandoverPlan, dealer: int, handed: HandedDealing, said: Any) -> Any:
        return real(plan, dealer, handed, commitment_for(plan, dealer, handed))

    patch.setattr(views, "wrong_handed", wrong)


def takes_anybodys_proof(patch: pytest.MonkeyPatch) -> None:
    def context(trial: bytes, step: str, member: int) -> bytes:
        return proof_context(trial, step, HONEST)

    patch.setattr(rules, "proof_context", context)


def one_part_decrypts(epoch: Epoch, at: PostedHandover) -> bool:
    key, n = epoch.joint_key(), epoch.state.n
    plaintext, ciphertext = trial_ciphertext(n, b"one part")
    data = at.shelves[HONEST].kept[f"{at.session}/share"]
    share = decode(data, EpochSecret, "", 1 << 20).secret_share()
    part = partial_decryption(ciphertext, share, key)
    quotient, rest = divmod(part - 1, n)
    factor = pow(int(2 * key.delta * epoch.state.theta_prime), -1, int(n))
    return bool(rest == 0 and quotient * factor % n == plaintext)


def test_who_has_not_committed_to_it_is_named() -> None:
    at = played()
    found = [(misdeed.culprit, misdeed.fault.name) for misdeed in at.view.misdeeds]
    assert found == [(1, "NOT_COMMITTED"), (2, "NOT_COMMITTED")]
    assert not at.view.attempt.shown, "nobody honest goes on"
    assert at.table.board.epoch == TOY.epoch


def test_without_commitments_it_would_fail_for_want_of_a_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    takes_any_commitment(monkeypatch)
    at = played()
    assert len(set(at.new_epoch.joint_key().verification_keys)) == 1
    assert [m.fault.name for m in at.view.misdeeds] == ["PART", "PART"]
    assert not at.view.attempt.is_released


def test_without_either_one_part_would_decrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    takes_any_commitment(monkeypatch)
    takes_anybodys_proof(monkeypatch)
    at = played()
    assert at.view.attempt.is_released
    assert one_part_decrypts(at.new_epoch, at)
