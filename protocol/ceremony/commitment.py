"""Commit, then open: whoever speaks last in a step gains nothing by it.

All members first post a hash of what they will say, and say it when all hashes are there. Without
this, the last one to open its share of N makes the sum what it likes
(``tests/attacks/key/test_last_opener.py``).
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keyshare.randomness import derive_key
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.ceremony.step import Payload, Payloads, StepKind
from protocol.encoding import digest
from protocol.errors import CeremonyFailed

_NONCE_BYTES = _HASH_BYTES = 32
_SUFFIX = "-commit"


@dataclass(frozen=True)
class _Opening(StepKind):
    """A step whose word to all was committed to; a nonce stands before it."""

    def said(self, run: CeremonyRun, step: StepId) -> bytes:
        return _nonce(run, step) + run.prepared(step, super().said)

    def take(self, run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
        for sender, payload in public.items():
            expected = commitment_to(run.context, step, sender, payload)
            if not hmac.compare_digest(run.commitments[sender], expected):
                raise CeremonyFailed(sender, step.name, "it opens what it did not commit to")
        bare = {sender: payload[_NONCE_BYTES:] for sender, payload in public.items()}
        return super().take(run, step, bare, private)


@dataclass(frozen=True, kw_only=True)
class _Committing(StepKind):
    """The step before it: a hash of what follows, and what is said in the clear beside it."""

    opening: StepKind

    def said(self, run: CeremonyRun, step: StepId) -> bytes:
        opening = self.opening.said(run, target := self._target(step))
        return commitment_to(run.context, target, run.index, opening) + super().said(run, step)

    def take(self, run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
        for sender, payload in public.items():
            if len(payload) < _HASH_BYTES:
                raise CeremonyFailed(sender, step.name, "a commitment has 32 bytes")
        run.commitments = {i: payload[:_HASH_BYTES] for i, payload in public.items()}
        beside = {i: payload[_HASH_BYTES:] for i, payload in public.items()}
        super().take(run, step, beside, private)
        return self._target(step)

    def _target(self, step: StepId) -> StepId:
        return step._replace(name=self.opening.name)


def committed(
    kind: StepKind,
    beside: type[Payload] = Payload,
    tell: Callable[[CeremonyRun, StepId], Payload] = lambda run, step: Payload(),
    check: Callable[..., Any] = lambda *said: None,
) -> tuple[StepKind, StepKind]:
    """The two steps of one with a commitment, with what is said in the clear ``beside`` that."""
    opening = _Opening(**vars(kind))
    name, senders = kind.name + _SUFFIX, kind.senders
    return _Committing(name, beside, tell, check, senders=senders, opening=opening), opening


def commit_first(name: str, batch: int = 0, candidate: int = 0) -> StepId:
    """The first of a committed step's two steps."""
    return StepId(name + _SUFFIX, batch, candidate)


def commitment_to(context: bytes, step: StepId, sender: int, opening: bytes) -> bytes:
    """Hash of nonce and payload, bound to the ceremony, the step and the sender."""
    return digest(
        "quorate/commitment", context, step.label.encode(), sender.to_bytes(8, "big"), opening
    )


def _nonce(run: CeremonyRun, step: StepId) -> bytes:
    return derive_key(run.seed, "nonce", step.label)
