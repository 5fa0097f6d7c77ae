"""A key that was handed over, computed anew from what was said, by other code than its members'.

    each dealer   u^(e_i) · c_i^(ΔΛ) = (∏ C_a^(i^a))^(μ_i) mod N,  μ_i = Δ·∏_(j in D, j≠i) j/(j-i)
    θ''           θ' - N·(Σ e_i)/Δ, so that θ'' = θ' mod N, as Δ and N have no common factor
    C''_0, C''_a  ∏ c_i^Λ and ∏ C_(i,a)² mod N
    S             u^θ' = C_0^N mod N, before and after: S is a multiple of φ(N)
    VK_j          v^(Δ''·θ'') · (∏ C''_a^(j^a))^(-N·Δ'') mod N²

docs/security/handover.md has the letters. The old values were checked where they were made.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import factorial, prod

import gmpy2
from gmpy2 import mpz

from keyshare.errors import KeyshareError
from keyshare.handover import LAMBDA, Dealing, HandoverPlan, KeyState
from keyshare.key import combine, sliding_quorums, trial_ciphertext
from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.handover import Succession
from protocol.key import Epoch, read_epoch, to_number

Dealings = Mapping[int, Dealing]


def faults_of_dealing(plan: HandoverPlan, dealer: int, said: Dealing) -> Iterator[str]:
    """What is wrong with what a dealer says to all."""
    n, old = plan.old.n, plan.old
    units = (said.mask, *said.coefficients)
    if len(said.coefficients) != plan.quorum - 1:
        yield f"it has {len(said.coefficients)} coefficients, due are {plan.quorum - 1}"
    if not all(0 < unit < n and gmpy2.gcd(unit, n) == 1 for unit in units):
        yield "a commitment is no unit modulo N"
        return
    delta, others = factorial(old.n_members), [j for j in plan.dealers if j != dealer]
    weight = delta * prod((Fraction(j, j - dealer) for j in others), start=Fraction(1))
    hidden = delta * LAMBDA * plan.mask_bound
    if abs(said.difference) >= abs(int(weight)) * old.point_bound + hidden:
        yield "its difference is out of range"
        return
    left = _power(old.u, said.difference, n) * _power(said.mask, delta * LAMBDA, n) % n
    if left != _power(_committed(old.commitments, dealer, n), mpz(int(weight)), n):
        yield "its difference does not fit its share of the old epoch"


def faults_of_epoch(
    about: Succession, plan: HandoverPlan, said: Dealings, keys: Sequence[bytes], new: Epoch
) -> Iterator[str]:
    """Where a new epoch is not the one that follows; keys: of the new members, for rounds."""
    try:
        read_epoch(encode(new), about.new)
    except Malformed as error:
        yield error.reason
        return
    old, state = about.epoch, new.state
    if new.number != old.number + 1:
        yield "its number is not the next one"
    kept = new.n, new.verification_base, new.first_members
    if kept != (old.n, old.verification_base, old.first_members):
        yield "N, its base, or how many made it is another"
    if new.sealing_keys != tuple(keys):
        yield "its sealing keys are not those of the arrivals"
    if state.point_bound != plan.old.quorum * plan.dealt_bound:
        yield "its bound of points is not that of the dealings"
    yield from _faults_of_sums(plan.old, said, state)
    if new.verification_keys != _verification_keys(state):
        yield "its verification keys do not follow from its commitments"


def _faults_of_sums(old: KeyState, said: Dealings, new: KeyState) -> Iterator[str]:
    n = old.n
    total = sum((one.difference for one in said.values()), mpz(0))
    moved = (old.theta_prime - new.theta_prime) * factorial(old.n_members)
    if moved != n * total:
        yield "θ' is not the old one less N times the differences"
    constant = prod((_power(one.mask, LAMBDA, n) for one in said.values()), start=mpz(1)) % n
    columns = zip(*(one.coefficients for one in said.values()), strict=True)
    others = [prod((c * c for c in column), start=mpz(1)) % n for column in columns]
    if new.commitments != (constant, *others):
        yield "its commitments are not the products of what was dealt"
    for name, state in ("old", old), ("new", new):
        if _power(state.u, state.theta_prime, n) != _power(state.commitments[0], n, n):
            yield f"θ' does not fit the {name} commitments"


def _verification_keys(state: KeyState) -> tuple[bytes, ...]:
    n, square, delta = state.n, state.n**2, factorial(state.n_members)
    base = _power(state.base, delta * state.theta_prime, square)
    found = list[bytes]()
    for member in range(1, state.n_members + 1):
        point = _power(_committed(state.commitments, member, n), -n * delta, square)
        value = int(base * point % square)
        found.append(value.to_bytes((value.bit_length() + 7) // 8, "big"))
    return tuple(found)


def parts_open(new: Epoch, trial: bytes, parts: Mapping[int, bytes]) -> bool:
    """Whether every quorum of neighbours of the shown parts gives the test value.

    parts: by number in the new epoch, proven; at least as many as its quorum.
    """
    key, numbers = new.joint_key(), {m: to_number(part) for m, part in parts.items()}
    plaintext, _ = trial_ciphertext(key.n, trial)
    quorums = sliding_quorums(sorted(parts), key.quorum)
    try:
        return {combine({m: numbers[m] for m in q}, key) for q in quorums} == {plaintext}
    except (KeyshareError, ZeroDivisionError):
        return False


def _committed(commitments: Sequence[mpz], member: int, n: mpz) -> mpz:
    """u^P(member) mod N."""
    return (
        prod((_power(c, mpz(member) ** a, n) for a, c in enumerate(commitments)), start=mpz(1)) % n
    )


def _power(base: mpz, exponent: mpz | int, modulus: mpz) -> mpz:
    return gmpy2.powmod(base, exponent, modulus)
