"""Rejected candidates are opened, and everyone computes again what the others said about them.

A leaf is the 32-byte sub-seed from which a dealer drew all that belongs to one candidate. Opened,
it lets every member check the shares that it got and N = p·q, and the checkers of the candidate's
class the values of its biprimality test. Leaves are independent of each other, and the keys for
sharings of zero are not among what is drawn from them: the winner's leaf stays closed, and nothing
that is opened tells of it.
"""

import hashlib
from collections.abc import Mapping, Sequence

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import Dealing, deal_factors, exponent, screen_witnesses_fit
from keyshare.key import verification_base
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.encoding import digest
from protocol.errors import CeremonyFailed

LEAF_BYTES = 32
_WEIGHT_BITS = 64


def leaves_commitment(leaves: Sequence[bytes]) -> bytes:
    """What a dealer posts with its shares: the hash of its leaves' hashes."""
    return _root([_leaf_hash(leaf) for leaf in leaves])


def opened_leaves(run: CeremonyRun, keep: int | None) -> list[bytes]:
    """Own leaves of the batch, but for a candidate that is kept its leaf's hash."""
    kept = _place(run, run.index, keep)
    return [_leaf_hash(leaf) if k == kept else leaf for k, leaf in enumerate(run.batch.leaves)]


def check_leaves(
    run: CeremonyRun, step: StepId, opened: Mapping[int, Sequence[bytes]], keep: int | None
) -> None:
    """Check everything that was said about the batch's candidates, but for one that is kept.

    Raises CeremonyFailed with the dealer whose leaves are not those of the commitment or do not
    give what it dealt or posted; with culprit 0 for a modulus that is not p·q. An observer, who was
    dealt nothing, checks all that was posted.
    """
    for i in run.everyone:
        _check_root(run, step, i, opened[i], keep)
    for number in run.layout.classes:
        dealings = {i: _dealing(run, number, i, opened[i]) for i in run.layout.dealers(number)}
        for i, dealing in dealings.items() if not run.is_observer else ():
            _check_points(run, step, number, i, dealing, keep)
        candidates = [k for k in run.layout.candidates(number) if k != keep]
        factors = {k: _factors(run, k, dealings) for k in candidates}
        for k, (p, q) in factors.items():
            if run.batch.moduli[k] != p * q:
                reason = f"N of candidate {k} of batch {run.batch.number} is not p·q"
                raise CeremonyFailed(0, step.name, reason)
        if run.is_observer or run.index in run.layout.checkers(number):
            for k in sorted(set(candidates) & set(run.batch.survivors)):
                _check_witnesses(run, step, k, dealings, factors[k])
        for k in sorted(set(candidates) & set(run.batch.failed)):
            _check_commitments(run, step, k, dealings)


def _check_root(
    run: CeremonyRun, step: StepId, dealer: int, leaves: Sequence[bytes], keep: int | None
) -> None:
    kept = _place(run, dealer, keep)
    hashes = [leaf if k == kept else _leaf_hash(leaf) for k, leaf in enumerate(leaves)]
    if _root(hashes) != run.batch.roots[dealer]:
        raise CeremonyFailed(dealer, step.name, "it opens leaves that it did not commit to")


def _dealing(run: CeremonyRun, number: int, dealer: int, leaves: Sequence[bytes]) -> Dealing:
    if dealer == run.index:
        return run.batch.dealings[number]
    start = run.layout.dealt_by(dealer).index(number) * run.layout.class_size
    is_lead = dealer == run.layout.dealers(number)[0]
    return deal_factors(run.shape, is_lead, leaves[start : start + run.layout.class_size])


def _check_points(
    run: CeremonyRun, step: StepId, number: int, dealer: int, dealing: Dealing, keep: int | None
) -> None:
    for got, due in zip(run.batch.points[number][dealer], dealing.points(run.index), strict=True):
        if got == due:
            continue
        pairs = zip(run.layout.candidates(number), run.rows.split(got ^ due), strict=True)
        for k, difference in pairs:
            if difference and k != keep:
                reason = f"its leaf does not give what it dealt for {_name(run, k)}"
                raise CeremonyFailed(dealer, step.name, reason)


def _factors(run: CeremonyRun, k: int, dealings: Mapping[int, Dealing]) -> tuple[mpz, mpz]:
    position = k % run.layout.class_size
    parts = [dealing.factors[position] for dealing in dealings.values()]
    return sum((p for p, _ in parts), mpz(0)), sum((q for _, q in parts), mpz(0))


def _exponents(run: CeremonyRun, k: int, dealings: Mapping[int, Dealing]) -> dict[int, mpz]:
    position, lead = k % run.layout.class_size, run.layout.dealers(run.layout.class_of(k))[0]
    n = run.batch.moduli[k]
    return {i: exponent(i == lead, *d.factors[position], n) for i, d in dealings.items()}


def _check_witnesses(
    run: CeremonyRun,
    step: StepId,
    k: int,
    dealings: Mapping[int, Dealing],
    factors: tuple[mpz, mpz],
) -> None:
    """The weights and the choice of p or q are the checker's own secret."""
    values, exponents = run.batch.witnesses[k], _exponents(run, k, dealings)
    stream = run.stream("recheck", run.batch.number, k)
    weights = {i: stream.bits(_WEIGHT_BITS) for i in values}
    p = factors[int(stream.bits(1))]
    if screen_witnesses_fit(values, exponents, weights, p):
        return
    for i, value in values.items():
        if not screen_witnesses_fit({i: value}, exponents, weights, p):
            raise CeremonyFailed(i, step.name, f"its test value for {_name(run, k)} is wrong")
    raise CeremonyFailed(0, step.name, f"the test values for {_name(run, k)} are wrong")


def _check_commitments(
    run: CeremonyRun, step: StepId, k: int, dealings: Mapping[int, Dealing]
) -> None:
    n = run.batch.moduli[k]
    u = verification_base(n, run.context) % n
    for i, x in _exponents(run, k, dealings).items():
        if gmpy2.powmod(u, x, n) != run.batch.failed[k][i]:
            reason = f"its commitment to the exponent for {_name(run, k)} is wrong"
            raise CeremonyFailed(i, step.name, reason)


def _place(run: CeremonyRun, dealer: int, k: int | None) -> int | None:
    """Where a candidate's leaf stands among a dealer's, None if it does not deal it."""
    if k is None or run.layout.class_of(k) not in (dealt := run.layout.dealt_by(dealer)):
        return None
    size = run.layout.class_size
    return dealt.index(run.layout.class_of(k)) * size + k % size


def _name(run: CeremonyRun, k: int) -> str:
    return f"candidate {k} of batch {run.batch.number}"


def _leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"quorate/leaf" + leaf).digest()  # of one length: nothing to encode


def _root(hashes: Sequence[bytes]) -> bytes:
    return digest("quorate/leaves", *hashes)
