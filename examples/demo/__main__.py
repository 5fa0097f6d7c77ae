"""A whole federation on this machine: ``python -m examples.demo [--short]``.

Five hospitals and an aggregator, each a process of its own: identities and terms, the key
ceremony, five rounds of training with one hospital killed on the way, and what must not work.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from examples.demo import refusals, summary
from examples.demo.consortium import found, hold_ceremony, train
from examples.demo.processes import DemoFailed


def main() -> int:
    """Exit code 0 only if everything happened."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a 1024-bit key instead of 2048")
    parser.add_argument("--folder", type=Path, default=Path("runs/demo"))
    options = parser.parse_args()
    console = Console()
    started = time.monotonic()
    try:
        run(options.folder.resolve(), 1024 if options.short else 2048, console)
    except DemoFailed as failure:
        console.print(f"[red]the demo failed:[/] {failure}", highlight=False)
        console.print(f"what the processes said is in {options.folder / 'logs'}")
        return 1
    console.print(f"\nall of it took {time.monotonic() - started:.0f} s; see {options.folder}/")
    return 0


def run(folder: Path, key_bits: int, console: Console) -> None:
    """Every part in order; raises DemoFailed at the first that does not happen."""
    console.rule("1. Identities, and terms that all have signed", align="left")
    consortium = found(folder, key_bits)
    console.rule("2. The key ceremony: nobody ever holds the key", align="left")
    hold_ceremony(consortium)
    console.rule("3. Training: five rounds, one hospital killed in the third", align="left")
    train(consortium)
    console.rule("4. What must not work", align="left")
    shown = {
        "below_quorum": refusals.below_quorum(consortium),
        "single_update": refusals.single_update(consortium),
        "unknown_identity": refusals.unknown_identity(consortium),
    }
    console.print(refusals.describe(shown), highlight=False, soft_wrap=True)
    console.rule("5. What came out", align="left")
    result = summary.summarise(consortium, shown)
    summary.show(result, console)
    summary.write(result, consortium)
    check(result)


def check(result: summary.Row) -> None:
    """Whether the run showed what the demo is there to show; raises DemoFailed."""
    sizes = [len(row["contributors"]) for row in result["rounds"]]
    if sizes != [5, 5, 4, 5, 5]:
        raise DemoFailed(f"the rounds had {sizes} contributors")
    if result["max_abs_error"] > 1e-5:
        raise DemoFailed(f"the average is off by {result['max_abs_error']}")
    if result["refusals"]["single_update"]["refused_by"] != result["parties"]:
        raise DemoFailed("not every hospital refused to decrypt a single update")


if __name__ == "__main__":
    sys.exit(main())
