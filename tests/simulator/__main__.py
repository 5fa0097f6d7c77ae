"""Run seeds: ``python -m tests.simulator --seeds N [--first S]``."""

import argparse
import sys
import time
from collections import Counter

from tests.simulator.oracle import simulate


def main() -> int:
    """Exit code 0 if every seed ended as it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    started, outcomes = time.monotonic(), Counter[str]()
    for seed in range(options.first, options.first + options.seeds):
        try:
            outcomes[simulate(seed)] += 1
        except AssertionError as violation:
            outcomes["violation"] += 1
            print(f"seed {seed}: {violation}", flush=True)
    print(f"{options.seeds} seeds in {time.monotonic() - started:.0f} s: {dict(outcomes)}")
    return 1 if outcomes["violation"] else 0


if __name__ == "__main__":
    sys.exit(main())
