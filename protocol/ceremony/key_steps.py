"""The steps that turn the winner into a joint key with a share for everyone, and try it.

Sources are those of ``keyshare.key.threshold_key`` and ``keyshare.proofs.equality_proof``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import Lanes, accepts, lagrange, round_base
from keyshare.ceremony.lanes import lanes
from keyshare.errors import KeyshareError
from keyshare.handover import normal_form, normal_share
from keyshare.key import combine, trial_ciphertext
from keyshare.key import threshold_key as tk
from keyshare.key.partial_decryption import partial_decryption
from keyshare.proofs import EqualPowers, MemberParts, parts_hold, prove, prove_parts, verify
from protocol.ceremony.candidate_openings import LEAF_BYTES, check_leaves, opened_leaves
from protocol.ceremony.commitment import committed
from protocol.ceremony.dealt_exponents import check_deviation, own_deviation
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.ceremony.step import Payload, Spellings, StepKind, each, number, raw
from protocol.ceremony.winner_steps import winners_dealers
from protocol.encoding import (
    Message,
    decode,
    digest,
    encode,
    pack_numbers,
    unpack_numbers,
    width_of,
)
from protocol.errors import CeremonyFailed, Malformed
from protocol.key import Proof, epoch_of_state, proof_context, read_proof, to_number, write_proof
from protocol.messages import MAX_BLOB_BYTES, read_session
from protocol.sealing import SealingKey, check_public

# ── theta: θ' opened under a sharing of zero; before that, D(j) and the last rejected candidates ──


@dataclass(frozen=True, repr=False)
class BeforeTheta(Payload):
    """To all, beside the commitment: D(j); the leaves of the winner's batch, without its own."""

    deviation: mpz
    leaves: Sequence[bytes]

    @staticmethod
    def spelling(run: CeremonyRun, step: StepId, sender: int) -> Spellings:
        return number(run.rows.prime), each(raw(LEAF_BYTES), run.layout.leaves_of(sender))


def tell_before_theta(run: CeremonyRun, step: StepId) -> BeforeTheta:
    return BeforeTheta(own_deviation(run), opened_leaves(run, keep=run.the_winner.number))


def check_before_theta(run: CeremonyRun, step: StepId, told: Mapping[int, BeforeTheta]) -> None:
    """The last of what one member alone may find wrong; from here on all see the same.

    So no honest member certifies where another one aborts, and nobody who did wrong in secret can
    keep its seed by certifying first.
    """
    check_deviation(run, {i: said.deviation for i, said in told.items()})
    leaves = {i: said.leaves for i, said in told.items()}
    check_leaves(run, step, leaves, keep=run.the_winner.number)


@dataclass(frozen=True, repr=False)
class ThetaShare(Payload):
    """To all: a share of θ', under a share of zero."""

    value: mpz

    @staticmethod
    def spelling(run: CeremonyRun, step: StepId, sender: int) -> Spellings:
        return (number(_theta_row(run).prime),)


def open_theta(run: CeremonyRun, step: StepId) -> ThetaShare:
    winner, row = run.the_winner, _theta_row(run)
    weight = lagrange(run.everyone, row.prime)[run.index]
    zero = run.zero_row(row, "theta", step.batch, step.candidate)
    return ThetaShare((tk.theta_share(weight, winner.points, winner.n) + zero) % row.prime)


def _theta_row(run: CeremonyRun) -> Lanes:
    return lanes(run.the_winner.shape.theta_exponent, 1)


def finish_theta(run: CeremonyRun, step: StepId, said: Mapping[int, ThetaShare]) -> StepId:
    winner, prime = run.the_winner, _theta_row(run).prime
    theta_prime = sum((share.value for share in said.values()), mpz(0)) % prime
    # A larger one, from points that are all in range, would put somebody's f_i out of its bound.
    if theta_prime >= winner.shape.theta_bound:
        raise CeremonyFailed(0, step.name, "θ' is out of range")
    if not tk.theta_fits(theta_prime, winner.blinds[0], winner.u, winner.n):
        raise CeremonyFailed(0, step.name, "θ' does not fit the commitments")
    base = tk.verification_base(winner.n, run.context)
    _, ciphertext = trial_ciphertext(winner.n, run.context)
    if gmpy2.gcd(theta_prime * ciphertext * base, winner.n) != 1:
        raise CeremonyFailed(0, step.name, "N has a factor in common with p+q-1 or a hash")
    members, quorum = run.terms.n_members, run.terms.quorum
    run.state = normal_form(winner.n, base, theta_prime, winner.blinds, members, quorum)
    run.key = run.state.joint_key
    if not run.is_observer:
        share = tk.secret_share(run.index, theta_prime, winner.points[2], winner.n)
        run.share = normal_share(share, members)
    return StepId("trial", step.batch, step.candidate)


# ── trial: a first decryption, and a last look at N ──


class Trial(Message, Payload, frozen=True):
    """To all: a dealer's w^(x_i); a partial decryption; their proofs; a sealing key for rounds.

    ``fresh`` is empty where there is none.
    """

    fresh: bytes
    fresh_proof: Proof | None
    partial: bytes
    partial_proof: Proof
    sealing_key: bytes

    __repr__ = object.__repr__

    def write(self, run: CeremonyRun, step: StepId) -> bytes:
        return encode(self)

    @classmethod
    def read(cls, data: bytes, run: CeremonyRun, step: StepId, sender: int) -> Self:
        n, said = run.key.n, decode(data, cls, "trial", MAX_BLOB_BYTES)
        check_public(said.sealing_key)
        unpack_numbers(said.partial, width_of(n**2), 1, n**2, step.name)
        if (sender in run.the_winner.exponents) != (said.fresh_proof is not None):
            raise Malformed(step.name, "a proof of its part in N is missing or too many")
        unpack_numbers(said.fresh, width_of(n), bool(said.fresh_proof), n, step.name)
        return said


def try_share(run: CeremonyRun, step: StepId) -> Trial:
    _, ciphertext = trial_ciphertext(run.key.n, run.context)
    partial = partial_decryption(ciphertext, run.share, run.key)
    stream = run.stream("trial proof", step.label)
    proof = prove_parts(_said(run, step, run.index, partial, ciphertext), run.share, stream)
    is_dealer = run.index in run.the_winner.exponents
    fresh, fresh_proof = _tell_fresh(run, step) if is_dealer else (b"", None)
    packed = pack_numbers([partial], width_of(run.key.n**2))
    sealing_key = SealingKey(run.epoch_sealing_seed).public
    return Trial(fresh, fresh_proof, packed, write_proof(proof), sealing_key)


def _tell_fresh(run: CeremonyRun, step: StepId) -> tuple[bytes, Proof]:
    x, n = run.test_exponent(run.the_winner.number), run.key.n
    value = gmpy2.powmod(_fresh_base(run), x, n)
    stream = run.stream("fresh proof", step.label)
    proof = prove(x, _fresh_power(run, step, run.index, value), stream)
    return pack_numbers([value], width_of(n)), write_proof(proof)


def finish_trial(run: CeremonyRun, step: StepId, said: Mapping[int, Trial]) -> StepId:
    _check_fresh(run, step, said)
    _check_partials(run, step, said)
    sealing_keys = tuple(said[i].sealing_key for i in run.everyone)
    number = read_session(run.session).number
    run.epoch = epoch_of_state(run.terms.federation, number, run.state, sealing_keys)
    return StepId("certificate")


def _check_fresh(run: CeremonyRun, step: StepId, said: Mapping[int, Trial]) -> None:
    """w^(φ/4) = ±1 for a w that nobody knew when the exponents were fixed."""
    winner, values = run.the_winner, dict[int, mpz]()
    for i, trial in said.items():
        if trial.fresh_proof is None:
            continue  # it has no part in N
        values[i], proof = to_number(trial.fresh), read_proof(trial.fresh_proof)
        if proof is None or not verify(proof, _fresh_power(run, step, i, values[i])):
            raise CeremonyFailed(i, step.name, "its proof of the exponent does not hold")
    if not accepts(values, winners_dealers(run, step)[0], winner.n):
        raise CeremonyFailed(0, step.name, "N does not pass a test with a fresh base")


def _check_partials(run: CeremonyRun, step: StepId, said: Mapping[int, Trial]) -> None:
    key, partials = run.key, {i: to_number(trial.partial) for i, trial in said.items()}
    plaintext, ciphertext = trial_ciphertext(key.n, run.context)
    for i, trial in said.items():
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
    return MemberParts((partial,), (ciphertext,), member, run.key, context)


STEPS = (
    *committed(
        StepKind("theta", ThetaShare, open_theta, finish_theta),
        BeforeTheta,
        tell_before_theta,
        check_before_theta,
    ),
    StepKind("trial", Trial, try_share, finish_trial),
)
