"""Commit, then open: whoever speaks last in a step gains nothing by it.

All members first post a hash of what they will say, and say it when all hashes are there. Without
this, the last one to open its share of N makes the sum what it likes
(``tests/attacks/key/test_last_opener.py``).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from keyshare.randomness import derive_key
from protocol.ceremony.run import CeremonyRun, Payloads, StepId, StepKind
from protocol.encoding import digest
from protocol.errors import CeremonyFailed

_NONCE_BYTES = _HASH_BYTES = 32
_SUFFIX = "-commit"


@dataclass(frozen=True)
class Aside:
    """What is said in the clear beside a commitment, and what checks it."""

    say: Callable[[CeremonyRun, StepId], bytes]
    check: Callable[[CeremonyRun, StepId, Payloads], None]


def committed(kind: StepKind, aside: Aside | None = None) -> tuple[StepKind, StepKind]:
    """The two steps that a step with a commitment consists of."""
    make = kind.public
    assert make is not None

    def opening(run: CeremonyRun, step: StepId) -> bytes:
        return _nonce(run, step) + run.prepared(step, make)

    def commitment(run: CeremonyRun, step: StepId) -> bytes:
        target = StepId(kind.name, step.batch, step.candidate)
        promise = commitment_to(run.context, target, run.index, opening(run, target))
        return promise + (aside.say(run, step) if aside else b"")

    def take(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
        for sender, payload in public.items():
            if len(payload) < _HASH_BYTES or (aside is None and len(payload) > _HASH_BYTES):
                raise CeremonyFailed(sender, step.name, "a commitment has 32 bytes")
        run.commitments = {i: payload[:_HASH_BYTES] for i, payload in public.items()}
        if aside:
            aside.check(run, step, {i: payload[_HASH_BYTES:] for i, payload in public.items()})
        return StepId(kind.name, step.batch, step.candidate)

    def finish(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
        for sender, payload in public.items():
            expected = commitment_to(run.context, step, sender, payload)
            if not hmac.compare_digest(run.commitments[sender], expected):
                raise CeremonyFailed(sender, step.name, "it opens what it did not commit to")
        bare = {sender: payload[_NONCE_BYTES:] for sender, payload in public.items()}
        return kind.finish(run, step, bare, private)

    return (
        StepKind(kind.name + _SUFFIX, take, public=commitment, senders=kind.senders),
        StepKind(kind.name, finish, public=opening, private=kind.private, senders=kind.senders),
    )


def commit_first(name: str, batch: int = 0, part: int = 0) -> StepId:
    """The first of a committed step's two steps."""
    return StepId(name + _SUFFIX, batch, part)


def commitment_to(context: bytes, step: StepId, sender: int, opening: bytes) -> bytes:
    """Hash of nonce and payload, bound to the ceremony, the step and the sender."""
    return digest(
        "quorate/commitment", context, step.label.encode(), sender.to_bytes(8, "big"), opening
    )


def _nonce(run: CeremonyRun, step: StepId) -> bytes:
    return derive_key(run.seed, "nonce", step.label)
