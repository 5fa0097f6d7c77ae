"""How long shares become over many refreshes: ours, and those of the classical way.

The mathematics of all members, in one process. The classical way has each dealer share its own
share, and the receivers add these up with their weights. Over the integers each weight is a
multiple of 1/Δ, so that what is shared grows with each epoch [Desmedt, Jajodia, 1997; the ranges
are those of ``keyshare.key.threshold_key``].
"""

import secrets
from pathlib import Path
from typing import Any

from gmpy2 import mpz

from benchmarks.handover.dealt_key import deal_state
from benchmarks.handover.whole import Sizes
from benchmarks.timing import Stopwatch
from keyshare.ceremony import evaluate, integer_lagrange, integer_polynomial
from keyshare.handover import (
    HandoverPlan,
    KeyState,
    advance,
    deal,
    draw,
    new_share,
    points_for,
    wrong_dealing,
    wrong_points,
)
from keyshare.key import SecretShare, combine, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from keyshare.key.threshold_key import STATISTICAL_BITS
from keyshare.randomness import Stream

Shares = dict[int, SecretShare]
Refreshed = tuple[KeyState, Shares]


def measure(sizes: Sizes, bits: int, refreshes: int) -> dict[str, Any]:
    """The longest share in bits after each refresh, from the dealt key on.

    Other members deal each time. Raises ArithmeticError or BadCombination where the last shares do
    not decrypt.
    """
    watch = Stopwatch()
    state, shares = deal_state(bits, sizes.n_members, sizes.quorum)
    points = {i: state.point(share) for i, share in shares.items()}
    ours, classical = [_longest(shares)], [_longest(shares)]
    for number in range(1, refreshes + 1):
        with watch("refreshes"):
            state, shares = refreshed(state, shares, number)
        ours.append(_longest(shares))
        points = redistributed(points, sizes, state.delta)
        classical.append(max(map(_bits, points.values())) + bits)
    if not _decrypts(state, shares):
        raise ArithmeticError("the last shares do not decrypt")
    return {
        "quorum": sizes.quorum,
        "members": sizes.n_members,
        "bits": bits,
        "refreshes": refreshes,
        "seconds_a_refresh": round(watch.seconds["refreshes"] / refreshes, 3),
        "share_bits": ours,
        "classical_share_bits": classical,
    }


def refreshed(state: KeyState, shares: Shares, number: int) -> Refreshed:
    """The state and all shares of the next epoch; everything is checked once.

    number: of the refresh. Who deals is the quorum from that member on.
    """
    n, quorum = state.n_members, state.quorum
    dealers = tuple(sorted((number + k) % n + 1 for k in range(quorum)))
    plan = HandoverPlan(state, n, quorum, dealers, b"growth %d" % number)
    drawn = {i: draw(plan, i, secrets.token_bytes(32)) for i in dealers}
    said = {i: deal(plan, i, state.point(shares[i]), drawn[i]) for i in dealers}
    dealt = {i: points_for(plan, drawn[i]) for i in dealers}
    if any(wrong_dealing(plan, i, said[i]) for i in dealers):
        raise ArithmeticError("a dealing is wrong")
    after, found = advance(plan, said), Shares()
    for j in range(1, n + 1):
        received = {i: dealt[i][j] for i in dealers}
        if wrong_points(plan, said, j, received):
            raise ArithmeticError("a point is wrong")
        found[j] = new_share(after, j, received)
    return after, found


def redistributed(points: dict[int, mpz], sizes: Sizes, delta: mpz) -> dict[int, mpz]:
    """All points of the next epoch in the classical way; what they share becomes Δ² times it."""
    stream = Stream(secrets.token_bytes(32))
    bound = (delta * max(map(abs, points.values()))) << (STATISTICAL_BITS + sizes.quorum - 1)
    found = dict.fromkeys(points, mpz(0))
    weights = integer_lagrange(range(1, sizes.quorum + 1), delta)
    for i, weight in weights.items():
        shared = integer_polynomial(delta * points[i], sizes.quorum - 1, bound, stream)
        for j in found:
            found[j] += weight * evaluate(shared, j)
    return found


def plot(found: dict[str, Any], file: Path) -> None:
    """Bits of a share against refreshes."""
    import matplotlib  # slow to import, and only the plot needs it
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "quorate", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(found["share_bits"], linewidth=2.5, label="handover (ours)")
        axes.plot(found["classical_share_bits"], linestyle="--", label="shares shared anew")
        axes.set_xlabel("refreshes of a key of {quorum} of {members}, {bits} bits".format(**found))
        axes.set_ylabel("bits of the longest share")
        axes.set_ylim(bottom=0)
        axes.grid(True, alpha=0.3)
        axes.legend()
        figure.savefig(file, metadata={"Software": None})


def _longest(shares: Shares) -> int:
    return max(_bits(share.value) for share in shares.values())


def _bits(number: mpz) -> int:
    return int(abs(number).bit_length())


def _decrypts(state: KeyState, shares: Shares) -> bool:
    """Whether the last quorum decrypts a test value."""
    key = state.joint_key
    plaintext, ciphertext = trial_ciphertext(key.n, b"growth")
    last = list(shares.values())[-state.quorum :]
    parts = {share.index: partial_decryption(ciphertext, share, key) for share in last}
    return bool(combine(parts, key) == plaintext)
