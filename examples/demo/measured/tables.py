"""What the demo shows at its end, and leaves in its folder."""

import json
from collections.abc import Callable
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from examples.demo.consortium import NAMES
from examples.demo.measured.rounds import PHASES
from examples.demo.measured.summary import Row

TITLES = {
    "tumours": "Tumours: {weights:,} weights",
    "digits": "Handwritten digits: a convolutional network with {weights:,} weights",
}


def show(summary: Row, console: Console) -> None:
    """The tables at the end of the demo."""
    for name, title in TITLES.items():
        console.print(rounds_table(summary[name], title))
        console.print(precision_table(summary[name]))
    console.print(accuracy_table(summary))
    console.print(
        f"key ceremony: {summary['parties']} hospitals, {summary['key_bits']} bits, "
        f"{summary['ceremony_seconds']:.1f} s; all studies under the same key"
    )


def rounds_table(study: Row, title: str) -> Table:
    """Who was in each round, and what it took."""
    table = _table(f"{title.format(**study)} (seconds)")
    table.caption = "open: from opening to closing; decrypt: from closing to the model"
    columns = ("round", "in the sum", *PHASES, "kB an update", "accuracy")
    for column in columns:
        table.add_column(column, justify="left" if column == "in the sum" else "right")
    for row in study["rounds"]:
        missing = [name for name in NAMES if name not in row["contributors"]]
        table.add_row(
            str(row["round"]),
            f"without {', '.join(missing)}" if missing else f"all {len(NAMES)}",
            *(f"{row['seconds'][phase]:.2f}" for phase in PHASES),
            f"{row['update_bytes'] / 1000:.0f}",
            f"{row['accuracy']:.1%}",
        )
    return table


def precision_table(study: Row) -> Table:
    """How each round was encrypted, and what that did to the average."""
    table = _table("")
    table.caption = (
        "bytes a weight: in an update; unfit: updates that did not fit\n"
        "difference: to averaging in the clear; explained: by precision"
    )
    columns: dict[str, Callable[[Row], str]] = {
        "round": lambda row: str(row["round"]),
        "suite": lambda row: str(row["suite"]),
        "bytes a weight": lambda row: f"{row['bytes_per_weight']:.2f}",
        "clip": lambda row: f"{row['clip']:g}",
        "unfit": lambda row: str(row["unfit"]),
        "rounding": lambda row: f"{row['rounding']:.1e}",
        "difference": lambda row: f"{row['max_abs_error']:.1e}",
        "explained": lambda row: f"{row['error_bound']:.1e}",
    }
    for column in columns:
        table.add_column(column, justify="left" if column == "suite" else "right")
    for row in study["rounds"]:
        table.add_row(*(cell(row) for cell in columns.values()))
    return table


def accuracy_table(summary: Row) -> Table:
    """Both models beside others, on what nobody trained on."""
    table = Table(
        title="Accuracy on data that nobody trained on", title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("model")
    table.add_column("tumours", justify="right")
    table.add_column("digits", justify="right")
    both = [summary[name]["accuracy"] for name in TITLES]
    for label, key in (
        ("federated, encrypted", "federated"),
        ("federated averaging in the clear, float64", "plain_fedavg"),
        ("one model on all data pooled", "pooled"),
    ):
        table.add_row(label, *(f"{accuracy[key]:.1%}" for accuracy in both))
    for k in range(summary["parties"]):
        table.add_row(f"hospital {k + 1} alone", *(f"{a['alone'][k]:.1%}" for a in both))
    return table


def write(summary: Row, folder: Path) -> None:
    """summary.json for programs, report.txt for people."""
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    (folder / "summary.json").write_text(text + "\n")
    with (folder / "report.txt").open("w") as file:
        show(summary, Console(file=file, width=120))
        print("refusals:", json.dumps(summary["refusals"], indent=2, ensure_ascii=False), file=file)


def _table(title: str) -> Table:
    return Table(
        title=title or None,
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1),
        collapse_padding=True,
        pad_edge=False,
        caption_justify="left",
    )
