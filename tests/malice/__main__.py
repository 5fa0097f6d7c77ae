"""Play: ``python -m tests.malice --sequences N [--first SEED] [--without RULE]``."""

import argparse
import sys
import time
from contextlib import nullcontext

from tests.malice.oracle import Violation
from tests.malice.planted import RULES, without
from tests.malice.run import Tally, play


def main() -> int:
    """Exit code 0 if nothing was learnt that must not be; else the shortest such sequence."""
    parser = argparse.ArgumentParser(prog="python -m tests.malice")
    parser.add_argument("--sequences", type=int, default=2_000, help="how many sequences")
    parser.add_argument("--first", type=int, default=0, help="the seed")
    parser.add_argument("--without", choices=RULES, help="a rule that hospitals leave out")
    options = parser.parse_args()
    tally, started = Tally(), time.process_time()
    try:
        with without(options.without) if options.without else nullcontext():
            play(options.sequences, options.first, shrinks=True, tally=tally)
    except Violation as violation:
        print("\n".join([f"violation: {violation}", *getattr(violation, "__notes__", [])]))
        return 1
    finally:
        print(f"{tally} ({time.process_time() - started:.0f} s of one core)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
