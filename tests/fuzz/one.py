"""One target in one process under atheris; started by ``python -m tests.fuzz``.

The packages are instrumented as they are imported, so nothing of them may be imported before.
"""

from __future__ import annotations

import atexit
import random
import sys
import time
from pathlib import Path

import atheris

_OURS = ["keyshare", "protocol", "participant", "aggregator"]


def main(name: str, folder: str, flags: list[str]) -> None:
    """Fuzz a target; ``folder`` takes its seeds and what is found beside them."""
    with atheris.instrument_imports(include=_OURS, enable_loader_override=False):
        from tests.fuzz.targets import TARGETS

        found = TARGETS[name]
        case = found.prepare()
    for number, seed in enumerate(case.seeds):
        assert len(seed) <= found.limit, f"seed {number} has {len(seed)} bytes"
        (Path(folder) / f"seed-{number}").write_bytes(seed)

    def mutate(data: bytes, limit: int, seed: int) -> bytes:
        return case.mutate(data, limit, random.Random(seed), atheris.Mutate)

    slowest = 0.0

    def test(data: bytes) -> None:
        nonlocal slowest
        started = time.perf_counter()
        case.run(data)
        slowest = max(slowest, time.perf_counter() - started)

    options = [folder, *flags, f"-max_len={found.limit}"]
    atheris.Setup([sys.argv[0], *options], test, custom_mutator=mutate)
    # libFuzzer ends the process itself, and tells of units that took a second or more.
    atexit.register(lambda: print(f"slowest execution: {slowest * 1e6:.0f} us", flush=True))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
