"""Ceremonies in which every member draws or masks wrongly in one way, for the tests to find."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from gmpy2 import mpz

from keyshare.ceremony.shamir import integer_polynomial
from keyshare.randomness import Stream
from protocol.ceremony import candidate_openings, winner_steps
from protocol.ceremony import run as ceremony_run
from protocol.ceremony.run import CeremonyRun, StepId

_zero_row, _stream, _init = CeremonyRun.zero_row, CeremonyRun.stream, CeremonyRun.__init__


def _one_pairwise_key(run: CeremonyRun, *arguments: Any) -> None:
    _init(run, *arguments)
    run.keys_sent = {j: ceremony_run.derive_key(run.seed, "pairwise") for j in run.peers}


def _theta_under_moduli(run: CeremonyRun, rows: Any, *labels: str | int) -> mpz:
    return _zero_row(run, rows, "moduli", *labels[1:])


def _one_label_for_all_classes(run: CeremonyRun, rows: Any, *labels: str | int) -> mpz:
    return _zero_row(run, rows, *labels[:2])


def _no_zero_sharing(run: CeremonyRun, rows: Any, *labels: str | int) -> mpz:
    return mpz(0)


def _stream_without_step(run: CeremonyRun, *labels: str | int) -> Stream:
    return _stream(run, *labels[:1] if labels[0] == "key" else labels)


def _of_64_bits(run: CeremonyRun, step: StepId) -> list[list[mpz]]:
    shape, stream = winner_steps._candidate(run, step).shape, run.stream("key", step.label)
    bound = mpz(1) << 64
    secrets = (run.test_exponent(step.candidate), stream.below(bound), stream.below(bound))
    degrees = [degree for _, degree in winner_steps._ranges(shape)]
    return [
        integer_polynomial(shape.delta * secret, degree, bound, stream)
        for secret, degree in zip(secrets, degrees, strict=True)
    ]


def _recheck(always: Callable[[Stream], tuple[int, int | None]]) -> Any:
    """The recheck with other weights, or a factor that is not chosen."""

    def check(run: CeremonyRun, step: StepId, k: int, dealings: Any, factors: Any) -> None:
        values = run.batch.witnesses[k]
        exponents = candidate_openings._exponents(run, k, dealings)
        stream = run.stream("recheck", run.batch.number, k)
        bits, which = always(stream)
        weights = {i: stream.bits(bits) if bits else mpz(1) for i in values}
        p = factors[int(stream.bits(1)) if which is None else which]
        assert candidate_openings.screen_witnesses_fit(values, exponents, weights, p)

    return check


_CHECK = candidate_openings, "_check_witnesses"
FAULTS: dict[str, tuple[Any, str, Any]] = {  # what is replaced by what
    "one pairwise key for all": (CeremonyRun, "__init__", _one_pairwise_key),
    "theta under the label of moduli": (CeremonyRun, "zero_row", _theta_under_moduli),
    "one label for all classes": (CeremonyRun, "zero_row", _one_label_for_all_classes),
    "no zero sharing": (CeremonyRun, "zero_row", _no_zero_sharing),
    "masks of 64 bits": (winner_steps, "_polynomials", _of_64_bits),
    "one stream for all winners": (CeremonyRun, "stream", _stream_without_step),
    "weights of one": (*_CHECK, _recheck(lambda stream: (0, None))),
    "always modulo p": (*_CHECK, _recheck(lambda stream: (64, 0))),
    "modulo p whatever was drawn": (
        *_CHECK, _recheck(lambda stream: (64, int(stream.bits(1)) * 0)),
    ),
}  # fmt: skip


def with_fault(name: str) -> AbstractContextManager[Any]:
    """All members have one of FAULTS."""
    return patch.object(*FAULTS[name])
