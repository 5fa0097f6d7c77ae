"""The steps that turn the winner's factors into a joint key with a share for everyone.

Sources are those of ``keyshare.threshold_key``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gmpy2
from gmpy2 import mpz

from keyshare import threshold_key as tk
from keyshare.errors import KeyshareError
from keyshare.partial_decryption import combine, partial_decryption, trial_ciphertext
from keyshare.shamir import deal, deal_integer, lagrange
from protocol.ceremony_run import CeremonyRun, StepId, StepKind, add_rows, read
from protocol.encoding import pack_numbers, width_of
from protocol.epoch import Epoch, to_bytes
from protocol.errors import CeremonyFailed, Malformed
from protocol.sealing import SealingKey, check_public

Payloads = Mapping[int, bytes]


# ── dealing: shares of φ, of its mask β, and of the blind Δ·R ──


def deal_key(run: CeremonyRun, step: StepId) -> dict[int, bytes]:
    n, shape = run.modulus(step.part), _key_shape(run, step)
    stream = run.stream("key", step.batch, step.part)
    members, degree = run.terms.n_members, run.shape.degree
    phi = tk.phi_share(run.index, n, *run.factors(step.part)) % shape.field
    beta = stream.below(shape.mask_bound)
    blind = shape.delta * stream.below(shape.blind_bound)
    rows = zip(
        deal(phi, degree, members, shape.field, stream),
        deal(beta, degree, members, shape.field, stream),
        deal_integer(blind, shape.quorum - 1, members, shape.coefficient_bound, stream),
        strict=True,
    )
    width, blind_width = width_of(shape.field), width_of(shape.blind_share_bound)
    return {
        j: pack_numbers(row[:2], width) + pack_numbers(row[2:], blind_width)
        for j, row in zip(run.everyone, rows, strict=True)
    }


def finish_dealing(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    shape = run.key_shape = _key_shape(run, step)
    split = 2 * width_of(shape.field)
    heads = {i: payload[:split] for i, payload in private.items()}
    tails = {i: payload[split:] for i, payload in private.items()}
    run.phi_point, run.beta_point = add_rows(read(heads, shape.field, 2, step), shape.field)
    blinds = read(tails, shape.blind_share_bound, 1, step)
    run.blind_point = sum((row[0] for row in blinds.values()), mpz(0))
    return StepId("theta", step.batch, step.part)


def _key_shape(run: CeremonyRun, step: StepId) -> tk.KeyShape:
    return tk.key_shape(run.modulus(step.part), run.terms.n_members, run.terms.quorum)


# ── theta: θ' opened under a sharing of zero ──


def open_theta(run: CeremonyRun, step: StepId) -> bytes:
    shape = _key_shape(run, step)
    weight = lagrange(run.everyone, shape.field)[run.index]
    zero = run.zero("theta", step.batch, step.part)(shape.field)
    opened = tk.theta_share(weight, run.phi_point, run.beta_point, run.blind_point, zero, shape)
    return pack_numbers([opened], width_of(shape.field))


def finish_theta(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    shape, n = _key_shape(run, step), run.modulus(step.part)
    (theta_prime,) = add_rows(read(public, shape.field, 1, step), shape.field)
    _, ciphertext = trial_ciphertext(n, run.context)
    if gmpy2.gcd(ciphertext * tk.verification_base(n, run.context), n) != 1:
        raise CeremonyFailed(0, step.name, "anyone can find a factor of N")
    run.theta_prime = theta_prime
    run.share = tk.key_share(run.index, theta_prime, run.blind_point, shape.n)
    return StepId("trial", step.batch, step.part)


# ── trial: verification keys, and a first decryption by every quorum that it takes ──


def try_share(run: CeremonyRun, step: StepId) -> bytes:
    key = _joint_key(run, step, ())
    assert run.share is not None
    _, ciphertext = trial_ciphertext(key.n, run.context)
    values = (
        tk.verification_key(key.verification_base, run.share, key.delta, key.n),
        partial_decryption(ciphertext, run.share, key),
    )
    sealing = SealingKey(run.epoch_sealing_seed).public
    return pack_numbers(values, width_of(key.n**2)) + sealing


def finish_trial(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    n = run.modulus(step.part)
    split = 2 * width_of(n * n)
    rows = read({i: payload[:split] for i, payload in public.items()}, n * n, 2, step)
    sealing_keys = {i: payload[split:] for i, payload in public.items()}
    for sender, sealing_key in sealing_keys.items():
        _check_sealing_key(sender, sealing_key, step)
    key = _joint_key(run, step, tuple(rows[i][0] for i in run.everyone))
    partials = {i: row[1] for i, row in rows.items()}
    if problem := _problem(run, key, partials, run.everyone):
        raise CeremonyFailed(_culprit(run, key, partials), step.name, problem)
    run.epoch = Epoch(
        run.terms.federation,
        int(run.session.partition("/")[2]),
        key.quorum,
        to_bytes(key.n),
        to_bytes(key.theta),
        to_bytes(key.verification_base),
        tuple(to_bytes(value) for value in key.verification_keys),
        tuple(sealing_keys[i] for i in run.everyone),
    )
    return StepId("certificate")


def _check_sealing_key(sender: int, key: bytes, step: StepId) -> None:
    try:
        check_public(key)
    except Malformed as error:
        raise CeremonyFailed(sender, step.name, error.reason) from None


def _joint_key(run: CeremonyRun, step: StepId, keys: tuple[mpz, ...]) -> tk.JointKey:
    n = run.modulus(step.part)
    base = tk.verification_base(n, run.context)
    theta = run.theta_prime % n
    return tk.JointKey(n, theta, run.terms.n_members, run.terms.quorum, base, keys)


def _problem(
    run: CeremonyRun, key: tk.JointKey, partials: Mapping[int, mpz], members: Sequence[int]
) -> str | None:
    """What does not fit among the given members' trial values, None if all do.

    F(0) is a multiple of φ, so v^(Δ²·F(0)), which must not depend on the quorum, is 1 mod N.
    """
    plaintext, _ = trial_ciphertext(key.n, run.context)
    verification = dict(enumerate(key.verification_keys, start=1))
    constants = set()
    for quorum in tk.sliding_quorums(members, key.quorum):
        try:
            found = combine({i: partials[i] for i in quorum}, key)
            constant = tk.combine_exponents(verification, quorum, key)
        except (KeyshareError, ZeroDivisionError):
            return f"members {list(quorum)} do not decrypt the trial"
        if found != plaintext or constant % key.n != 1:
            return f"members {list(quorum)} do not decrypt the trial"
        constants.add(constant)
    return None if len(constants) == 1 else "the verification keys do not fit together"


def _culprit(run: CeremonyRun, key: tk.JointKey, partials: Mapping[int, mpz]) -> int:
    """The one member without whom everything fits, 0 if that is nobody or not only one."""
    suspects = []
    for i in run.everyone:
        others = [j for j in run.everyone if j != i]
        if len(others) >= key.quorum and _problem(run, key, partials, others) is None:
            suspects.append(i)
    return suspects[0] if len(suspects) == 1 else 0


STEPS = (
    StepKind("dealing", finish_dealing, private=deal_key),
    StepKind("theta", finish_theta, public=open_theta),
    StepKind("trial", finish_trial, public=try_share),
)
