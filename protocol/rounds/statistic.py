"""A statistic as it is asked for and opened: what the request fixes, and how its sums read."""

from collections.abc import Sequence
from decimal import Decimal

from gmpy2 import mpz

from keyshare.rounds import decode
from protocol.board import Label, Opening, Request
from protocol.encoding import digest, encode
from protocol.rounds.view import RoundView

NO_MODEL = bytes(32)


def labels_digest(labels: Sequence[Label]) -> bytes:
    """What an opening says of a statistic's labels: a digest, or nothing if there are none."""
    return digest("quorate/statistic labels", encode(list(labels))) if labels else b""


def opening_for(request: Request, epoch: bytes) -> Opening:
    """The opening that a request asks for, and no other, under an epoch with this digest."""
    return Opening(
        "statistic",
        epoch,
        NO_MODEL,
        request.length,
        decimals=request.decimals,
        labels=labels_digest(request.labels),
    )


def sound_requests(view: RoundView, before: int | None = None) -> list[Request]:
    """The requests that can be opened, in the order of the board; those ``before`` a position.

    Labels, where there are any, are one for each number, and all different.
    """
    bodies = [p.post.body for p in view.requests.values() if before is None or p.position < before]
    return [b for b in bodies if not b.labels or len(b.labels) == b.length == len(set(b.labels))]


def request_of(view: RoundView) -> Request | None:
    """The request that the statistic's opening answers; None if no member had made one before."""
    if view.opening is None:
        return None
    opening = view.opening.post.body
    for request in sound_requests(view, view.opening.position):
        if opening_for(request, opening.epoch) == opening:
            return request
    return None


def decode_sums(plaintexts: Sequence[mpz], decimals: int, n: mpz) -> list[Decimal]:
    """The sums of a statistic, exactly. Raises CorruptSum on one that honest numbers never give."""
    return [decode(plaintext, decimals, n) for plaintext in plaintexts]
