"""One target under atheris; the packages are instrumented as they are imported."""

import contextlib
import io
import operator
import random
import sys
import time
from pathlib import Path
from typing import Any

import atheris
import numpy as np

_OURS = ["keyshare", "protocol", "participant", "aggregator"]
# It decides nothing about an input, and counting its branches took 44 % of ceremony-step's time.
_ARITHMETIC = ["keyshare.proofs.power_product"]
_COMPARISONS = operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge


def _leave_arrays_alone() -> None:
    """Compare arrays as without atheris 3.0.0, which never lets go of what their comparison gives.

    To be called when fuzzing has begun, for that is when atheris puts its own comparison in place.
    """
    traced = atheris._trace_cmp

    def comparison(left: Any, right: Any, kind: int, *place: Any) -> Any:
        if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            return _COMPARISONS[kind](left, right)
        return traced(left, right, kind, *place)

    atheris._trace_cmp = comparison


with (
    contextlib.redirect_stderr(io.StringIO()),  # which names each module
    atheris.instrument_imports(include=_OURS, exclude=_ARITHMETIC, enable_loader_override=False),
):
    from tests.fuzz.targets import TARGETS as TARGETS
    from tests.fuzz.targets.keys import toy

toy()  # the one ceremony of all targets


def fuzz(name: str, corpus: Path, flags: list[str]) -> None:
    """Fuzz a target until libFuzzer ends this process; ``corpus`` takes seeds and finds."""
    target = TARGETS[name]
    case = target.prepare()
    corpus.mkdir(parents=True)
    for number, seed in enumerate(case.seeds):
        assert len(seed) <= target.limit, f"seed {number} has {len(seed)} bytes"
        (corpus / f"seed-{number}").write_bytes(seed)
    slowest = 0.0

    def mutate(data: bytes, limit: int, seed: int) -> bytes:
        return case.mutate(data, limit, random.Random(seed), atheris.Mutate)

    def test(data: bytes) -> None:
        nonlocal slowest
        if not slowest:
            _leave_arrays_alone()
        started = time.process_time()
        case.run(data)
        if (took := time.process_time() - started) > 1.1 * slowest:
            slowest = took  # libFuzzer tells of seconds alone
            print(f"slowest execution: {1000 * took:.1f} ms", flush=True)

    options = [str(corpus), *flags, f"-max_len={target.limit}"]
    atheris.Setup([sys.argv[0], *options], test, custom_mutator=mutate)
    atheris.Fuzz()
