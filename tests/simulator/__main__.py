"""Run seeds: ``python -m tests.simulator --seeds N [--first S] [--studies]``."""

import argparse
import sys
import time
from collections import Counter

from tests.simulator.oracle import simulate
from tests.simulator.plan import Plan


def main() -> int:
    """Exit code 0 if every seed ended as it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--studies", action="store_true", help="several at once, without ceremony")
    options = parser.parse_args()
    started, outcomes = time.monotonic(), Counter[str]()
    for seed in range(options.first, options.first + options.seeds):
        try:
            plan = Plan.of_studies(seed) if options.studies else Plan.of(seed)
            outcomes[simulate(plan)] += 1
        except AssertionError as violation:
            outcomes["violation"] += 1
            print(f"seed {seed}: {violation}", flush=True)
    print(f"{options.seeds} seeds in {time.monotonic() - started:.0f} s: {dict(outcomes)}")
    return 1 if outcomes["violation"] else 0


if __name__ == "__main__":
    sys.exit(main())
