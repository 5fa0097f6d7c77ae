"""The steps that turn the winner into a joint key with a share for everyone, and try it.

Sources are those of ``keyshare.key.threshold_key`` and ``keyshare.proofs.equality_proof``.
"""

from __future__ import annotations

from collections.abc import Mapping

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony.biprimality import accepts, round_base
from keyshare.ceremony.lanes import lanes
from keyshare.ceremony.shamir import lagrange
from keyshare.errors import KeyshareError
from keyshare.key import threshold_key as tk
from keyshare.key.partial_decryption import (
    combine,
    partial_decryption,
    trial_ciphertext,
)
from keyshare.proofs.equality_proof import EqualPowers, prove, verify
from keyshare.proofs.proved_parts import MemberParts, parts_hold, prove_parts
from protocol.board.messages import MAX_BLOB_BYTES
from protocol.ceremony.candidate_openings import check_leaves, opened_leaves
from protocol.ceremony.commitment import Aside, committed
from protocol.ceremony.dealt_exponents import check_deviation, deviation_size, tell_deviation
from protocol.ceremony.run import CeremonyRun, Payloads, StepId, StepKind, read, read_one
from protocol.ceremony.winner_steps import winners_dealers
from protocol.encoding import Message, decode, digest, encode, pack_numbers, width_of
from protocol.errors import CeremonyFailed, Malformed
from protocol.key.epoch import Epoch, to_bytes
from protocol.key.proof_encoding import Proof, proof_context, read_proof, write_proof
from protocol.sealing import SealingKey, check_public

# ── theta: θ' opened under a sharing of zero; before that, D(j) and the last rejected candidates ──


def tell_before_theta(run: CeremonyRun, step: StepId) -> bytes:
    return tell_deviation(run) + opened_leaves(run, keep=run.the_winner.number)


def check_before_theta(run: CeremonyRun, step: StepId, told: Payloads) -> None:
    """The last of what one member alone may find wrong; from here on all see the same.

    So no honest member certifies where another one aborts, and nobody who did wrong in secret can
    keep its seed by certifying first.
    """
    size = deviation_size(run)
    check_deviation(run, step, {i: payload[:size] for i, payload in told.items()})
    leaves = {i: payload[size:] for i, payload in told.items()}
    check_leaves(run, step, leaves, keep=run.the_winner.number)


def open_theta(run: CeremonyRun, step: StepId) -> bytes:
    winner = run.the_winner
    row = lanes(winner.shape.theta_exponent, 1)
    weight = lagrange(run.everyone, row.prime)[run.index]
    zero = run.zero_row(row, "theta", step.batch, step.candidate)
    opened = (tk.theta_share(weight, winner.points, winner.n) + zero) % row.prime
    return pack_numbers([opened], width_of(row.prime))


def finish_theta(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    winner = run.the_winner
    prime = lanes(winner.shape.theta_exponent, 1).prime
    shares = read(public, prime, 1, step)
    theta_prime = sum((row[0] for row in shares.values()), mpz(0)) % prime
    # A larger one, from points that are all in range, would put somebody's f_i out of its bound.
    if theta_prime >= winner.shape.theta_bound:
        raise CeremonyFailed(0, step.name, "θ' is out of range")
    if not tk.theta_fits(theta_prime, winner.blinds[0], winner.u, winner.n):
        raise CeremonyFailed(0, step.name, "θ' does not fit the commitments")
    base = tk.verification_base(winner.n, run.context)
    _, ciphertext = trial_ciphertext(winner.n, run.context)
    if gmpy2.gcd(theta_prime * ciphertext * base, winner.n) != 1:
        raise CeremonyFailed(0, step.name, "N has a factor in common with p+q-1 or a hash")
    winner.theta_prime = theta_prime
    winner.verification_keys = tk.verification_keys(base, theta_prime, winner.blinds, winner.shape)
    if not run.is_observer:
        run.share = tk.secret_share(run.index, theta_prime, winner.points[2], winner.n)
    return StepId("trial", step.batch, step.candidate)


# ── trial: a first decryption, and a last look at N ──


class Trial(Message, frozen=True):
    """``fresh``: w^(x_i) of a dealer, empty for the others."""

    fresh: bytes
    fresh_proof: Proof | None
    partial: bytes
    partial_proof: Proof
    sealing_key: bytes


def try_share(run: CeremonyRun, step: StepId) -> bytes:
    key = _joint_key(run)
    assert run.share is not None
    _, ciphertext = trial_ciphertext(key.n, run.context)
    partial = partial_decryption(ciphertext, run.share, key)
    stream = run.stream("trial proof", step.label)
    proof = prove_parts(_said(run, step, run.index, partial, ciphertext), run.share, stream)
    fresh, fresh_proof = _tell_fresh(run, step)
    return encode(
        Trial(
            fresh,
            fresh_proof,
            pack_numbers([partial], width_of(key.n**2)),
            write_proof(proof),
            SealingKey(run.epoch_sealing_seed).public,
        )
    )


def _tell_fresh(run: CeremonyRun, step: StepId) -> tuple[bytes, Proof | None]:
    winner = run.the_winner
    if run.index not in winner.exponents:
        return b"", None
    n, w, x = winner.n, _fresh_base(run), run.test_exponent(winner.number)
    value = gmpy2.powmod(w, x, n)
    stream = run.stream("fresh proof", step.label)
    proof = prove(x, _fresh_power(run, step, run.index, value), stream)
    return pack_numbers([value], width_of(n)), write_proof(proof)


def finish_trial(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    said = {i: _read_trial(step, i, payload) for i, payload in public.items()}
    _check_fresh(run, step, said)
    _check_partials(run, step, said)
    winner, key = run.the_winner, _joint_key(run)
    run.epoch = Epoch(
        run.terms.federation,
        int(run.session.partition("/")[2]),
        key.quorum,
        to_bytes(key.n),
        to_bytes(key.theta),
        to_bytes(key.verification_base),
        tuple(to_bytes(value) for value in winner.verification_keys),
        tuple(said[i].sealing_key for i in run.everyone),
    )
    return StepId("certificate")


def _read_trial(step: StepId, sender: int, payload: bytes) -> Trial:
    try:
        said = decode(payload, Trial, "trial", MAX_BLOB_BYTES)
        check_public(said.sealing_key)
    except Malformed as error:
        raise CeremonyFailed(sender, step.name, error.reason) from None
    return said


def _check_fresh(run: CeremonyRun, step: StepId, said: Mapping[int, Trial]) -> None:
    """w^(φ/4) = ±1 for a w that nobody knew when the exponents were fixed."""
    winner, values = run.the_winner, dict[int, mpz]()
    for i, trial in said.items():
        if i not in winner.exponents:
            if trial.fresh or trial.fresh_proof is not None:
                raise CeremonyFailed(i, step.name, "it has no part in N")
            continue
        (values[i],) = read_one(i, trial.fresh, winner.n, 1, step)
        proof = read_proof(trial.fresh_proof) if trial.fresh_proof else None
        if proof is None or not verify(proof, _fresh_power(run, step, i, values[i])):
            raise CeremonyFailed(i, step.name, "its proof of the exponent does not hold")
    if not accepts(values, winners_dealers(run, step)[0], winner.n):
        raise CeremonyFailed(0, step.name, "N does not pass a test with a fresh base")


def _check_partials(run: CeremonyRun, step: StepId, said: Mapping[int, Trial]) -> None:
    key = _joint_key(run)
    plaintext, ciphertext = trial_ciphertext(key.n, run.context)
    partials = {}
    for i, trial in said.items():
        (partials[i],) = read_one(i, trial.partial, key.n**2, 1, step)
        proof = read_proof(trial.partial_proof)
        if proof is None or not parts_hold(proof, _said(run, step, i, partials[i], ciphertext)):
            reason = "its partial decryption of the test ciphertext is not that of its share"
            raise CeremonyFailed(i, step.name, reason)
    for quorum in tk.sliding_quorums(run.everyone, key.quorum):
        try:
            found = combine({i: partials[i] for i in quorum}, key)
        except (KeyshareError, ZeroDivisionError):
            found = mpz(-1)
        if found != plaintext:
            raise CeremonyFailed(0, step.name, f"members {list(quorum)} do not decrypt the trial")


def _fresh_base(run: CeremonyRun) -> mpz:
    """w, hashed from everything that was said before the trial."""
    context = digest("quorate/fresh-base", run.context, run.transcript)
    return round_base(context, run.the_winner.n, 0)


def _fresh_power(run: CeremonyRun, step: StepId, dealer: int, value: mpz) -> EqualPowers:
    """value = w^(x_i) for the x_i behind what the dealer has said of N before."""
    winner = run.the_winner
    return EqualPowers(
        base=winner.u,
        value=winner.exponents[dealer],
        bases=[_fresh_base(run)],
        values=[value],
        modulus=winner.n,
        bound=winner.n,
        context=proof_context(run.context, f"{step.label}/fresh", dealer),
    )


def _said(
    run: CeremonyRun, step: StepId, member: int, partial: mpz, ciphertext: mpz
) -> MemberParts:
    """A member's partial decryption of the trial ciphertext."""
    context = proof_context(run.context, f"{step.label}/partial", member)
    return MemberParts((partial,), (ciphertext,), member, _joint_key(run), context)


def _joint_key(run: CeremonyRun) -> tk.JointKey:
    winner = run.the_winner
    base = tk.verification_base(winner.n, run.context)
    theta = winner.theta_prime % winner.n
    members, quorum = run.terms.n_members, run.terms.quorum
    return tk.JointKey(winner.n, theta, members, quorum, base, winner.verification_keys)


STEPS = (
    *committed(
        StepKind("theta", finish_theta, public=open_theta),
        Aside(tell_before_theta, check_before_theta),
    ),
    StepKind("trial", finish_trial, public=try_share),
)
