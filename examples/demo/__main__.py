"""A whole federation on this machine: ``python -m examples.demo [--short]``.

Five hospitals and an aggregator, each a process of its own: identities and terms, the key
ceremony, and under this one key several studies, each approved by the hospitals: five rounds of
training and at the same time three rounds of a larger model, with one hospital killed on the way
and the aggregator moved; the mean age of all patients. Then what must not work. One hospital
leaves, one joins, one has lost its key share: the key is handed over, and the new members go on.
And the records of it all.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from examples.demo import ages, record, refusals, succession, trainings
from examples.demo.ceremony import hold_ceremony
from examples.demo.consortium import NAMES, found
from examples.demo.measured import summary, tables
from examples.demo.processes import DemoFailed
from examples.demo.running import Running


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
    with Running(consortium) as running:
        console.rule("2. The key ceremony: nobody ever holds the key", align="left")
        hold_ceremony(running, trainings.interrupts(consortium))
        console.rule(
            "3. Two studies at one time: tumours, and digits, 109,410 weights", align="left"
        )
        trainings.train_both(running)
        console.rule("4. A statistic: ages, which one hospital has not approved", align="left")
        mean = ages.mean_age(running)
        console.print(ages.describe(mean), highlight=False, soft_wrap=True)
        console.rule("5. What must not work", align="left")
        shown: dict[str, Any] = {"unknown_identity": refusals.unknown_identity(consortium)}
        shown["single_update"] = refusals.single_update(running)
        running.stop(consortium.hospitals)
        shown["two_key_shares"] = refusals.two_key_shares(consortium)
        console.print(refusals.describe(shown), highlight=False, soft_wrap=True)
        console.rule("6. People and machines change: the key is handed over", align="left")
        new, changed = succession.change(consortium)
        console.print(succession.describe(changed), highlight=False, soft_wrap=True)
        console.rule("7. The record, for auditors", align="left")
        left = record.leave_record(consortium)
        console.print(record.describe(left), highlight=False, soft_wrap=True)
    with Running(new) as running:
        console.rule("8. The new members go on, under the same key", align="left")
        changed |= succession.go_on(running, consortium)
        running.stop(new.hospitals)
        changed["record"] = succession.leave_record(new, Path(left["record"]))
    console.rule("9. What came out", align="left")
    result = summary.summarise(consortium, mean, shown, changed)
    tables.show(result, console)
    tables.write(result, consortium.folder)
    check(result)


def check(result: summary.Row) -> None:
    """Whether the run showed what the demo is there to show; raises DemoFailed."""
    without_one = len(NAMES) - 1
    check_study(result["tumours"], "paillier", trainings.KILLED_ROUND, without_one)
    check_study(result["digits"], "hybrid", 0, without_one)
    if result["refusals"]["single_update"]["refused_by"] != result["parties"]:
        raise DemoFailed("not every hospital refused to decrypt a single update")
    changed = result["succession"]
    if not (changed["same_modulus"] and changed["three_old_would"]):
        raise DemoFailed("the key that was handed over is not the same")


def check_study(study: summary.Row, suite: str, killed_in: int, least: int) -> None:
    """Whether a model's rounds had their contributors, suite and precision; raises DemoFailed.

    killed_in: the round of it that a hospital was killed in, 0 for none.
    """
    for row in study["rounds"]:
        size = len(row["contributors"])
        is_short = size < least or (row["round"] == killed_in and size != least)
        if is_short or row["suite"] != suite:
            raise DemoFailed(
                f"round {row['round']}: {len(row['contributors'])} contributors, {row['suite']}"
            )
        if row["max_abs_error"] > row["error_bound"]:
            raise DemoFailed(
                f"round {row['round']}: the average is off by {row['max_abs_error']}; "
                f"its precision explains {row['error_bound']}"
            )


if __name__ == "__main__":
    sys.exit(main())
