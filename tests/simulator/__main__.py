"""Run seeds: ``python -m tests.simulator --handovers --first S --seeds N --jobs J``."""

import argparse
import contextlib
import gc
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Literal, NamedTuple

from tests.simulator.handover.oracle import refresh
from tests.simulator.handover.successor_oracle import hand_over
from tests.simulator.oracle import simulate
from tests.simulator.plan import Plan

What = Literal["", "studies", "refreshes", "handovers"]
PROGRESS_SECONDS = 30.0
GARBAGE = 20_000  # objects more than before, after which what nobody holds is looked for


class Ended(NamedTuple):
    """How a seed ended: "done", "fork", or "violation" and what it violates."""

    seed: int
    outcome: str
    reason: str = ""


def run(seed: int, what: What, forgetful: bool) -> Ended:
    """Run a seed to its end, whatever that is."""
    try:
        if what == "refreshes":
            return Ended(seed, refresh(Plan.of_refreshes(seed), forgetful=forgetful))
        if what == "handovers":
            return Ended(seed, hand_over(Plan.of_handovers(seed), forgetful=forgetful))
        plan = Plan.of_studies(seed) if what == "studies" else Plan.of(seed)
        return Ended(seed, simulate(plan, forgetful=forgetful))
    except AssertionError as violation:
        return Ended(seed, "violation", str(violation))
    except Exception as error:  # of the code under test: as bad as a violation
        return Ended(seed, "violation", repr(error))


@contextlib.contextmanager
def ended(options: argparse.Namespace) -> Iterator[Iterator[Ended]]:
    """The seeds as they end, of several processes in any order."""
    one = partial(run, what=options.what, forgetful=options.forgetful)
    seeds = range(options.first, options.first + options.seeds)
    if options.jobs == 1:
        yield map(one, seeds)
        return
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        yield pool.imap_unordered(one, seeds, chunksize=4)


def main() -> int:
    """Exit code 0 if every seed ended as it must; whatever one did, the others are run."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    kind = parser.add_mutually_exclusive_group()
    kind.set_defaults(what="")
    for what, text in (
        ("studies", "several at once, without ceremony"),
        ("refreshes", "the same, and the key is refreshed beside them"),
        ("handovers", "the same, and the key goes to other members"),
    ):
        kind.add_argument(f"--{what}", action="store_const", dest="what", const=what, help=text)
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--forgetful", action="store_true", help="share no answers of pure functions (memo.py)"
    )
    options = parser.parse_args()
    gc.freeze()  # what is imported stays; nothing is found by looking through it again and again
    gc.set_threshold(GARBAGE)
    started, outcomes = time.monotonic(), Counter[str]()
    told = started
    with ended(options) as results:
        for found in results:
            outcomes[found.outcome] += 1
            if found.reason:
                print(f"seed {found.seed}: {found.reason}", flush=True)
            if (now := time.monotonic()) > told + PROGRESS_SECONDS:
                told = now
                line = f"{outcomes.total()} of {options.seeds} seeds in {now - started:.0f} s"
                print(f"{line}: {dict(outcomes)}", flush=True)
    print(f"{options.seeds} seeds in {time.monotonic() - started:.0f} s: {dict(outcomes)}")
    return 1 if outcomes["violation"] else 0


if __name__ == "__main__":
    sys.exit(main())
