"""What the demo measured: from the board, the journals, and a computation in the clear."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from examples import breast_cancer
from examples.demo import clear
from examples.demo.consortium import NAMES, QUORUM, ROUNDS, Consortium
from examples.demo.patients import pool
from participant.layout import Layout
from participant.model_file import read_model
from participant.outcome import model_name
from participant.training_task import app_seed
from protocol.board import Board
from protocol.messages import Closing, Opening

Row = dict[str, Any]
PHASES = ("train", "encrypt", "open", "decrypt")


def summarise(consortium: Consortium, refusals: Row) -> Row:
    """Everything that goes into summary.json."""
    board = consortium.read_board()
    config = {"seed": app_seed(consortium.terms), "round": 0}
    layout = Layout.of(breast_cancer.initial_parameters(config))
    contributors = [_contributors(board, number) for number in range(1, ROUNDS + 1)]
    files = [hospital.patients for hospital in consortium.hospitals]
    plain = clear.federated_average(files, contributors, config)
    models = [_model(consortium, number, layout) for number in range(1, ROUNDS + 1)]
    pooled = pool(files, consortium.folder / "patients" / "pooled.csv")

    def accuracy(vector: clear.Vector) -> float:
        return clear.accuracy(clear.to_app(vector, layout), consortium.held_out)

    def trained_alone(path: Any) -> float:
        return clear.accuracy(clear.train_on(path, ROUNDS, config), consortium.held_out)

    return {
        "parties": len(consortium.hospitals),
        "quorum": QUORUM,
        "key_bits": consortium.terms.key_bits,
        "ceremony_seconds": round(consortium.ceremony_seconds, 2),
        "rounds": [
            {
                "round": number,
                "contributors": [consortium.terms.name_of(m) for m in contributors[number - 1]],
                "seconds": _seconds(consortium, board, number),
                **_traffic(consortium, number),
                "accuracy": round(accuracy(models[number - 1]), 4),
            }
            for number in range(1, ROUNDS + 1)
        ],
        "accuracy": {
            "federated": round(accuracy(models[-1]), 4),
            "plain_fedavg": round(accuracy(plain[-1]), 4),
            "pooled": round(trained_alone(pooled), 4),
            "alone": [round(trained_alone(path), 4) for path in files],
        },
        "max_abs_error": max(
            float(np.max(np.abs(ours - theirs))) for ours, theirs in zip(models, plain, strict=True)
        ),
        "refusals": refusals,
    }


def _contributors(board: Board, number: int) -> list[int]:
    (closing,) = [
        body
        for posted in board.session(f"round/{number}")
        if isinstance(body := posted.post.body, Closing)
    ]
    return [c.member for c in closing.contributors]


def _model(consortium: Consortium, number: int, layout: Layout) -> clear.Vector:
    """The model of a round; every hospital must hold the same one."""
    name = model_name(number)
    files = [h.folder(consortium.terms.federation) / name for h in consortium.hospitals]
    found = [
        read_model(file.read_bytes(), layout).weights.slice(0, layout.weights) for file in files
    ]
    assert all(np.array_equal(found[0], other) for other in found)
    return found[0]


def _seconds(consortium: Consortium, board: Board, number: int) -> dict[str, float]:
    """Longest training and encryption; time from opening to closing, and from there to a model."""
    times = {
        type(posted.post.body): posted.time_ms
        for posted in board.session(f"round/{number}")
        if isinstance(posted.post.body, Opening | Closing)
    }
    facts: defaultdict[str, list[float]] = defaultdict(list)
    for hospital in consortium.hospitals:
        for event in hospital.events(consortium.terms.federation):
            if event["round"] == number:
                for phase in ("train", "encrypt", "decrypt"):
                    if phase in event:
                        facts[phase].append(float(event[phase]))
    # A hospital that was away reads a finished round at once: its time is not the round's.
    facts["open"].append((times[Closing] - times[Opening]) / 1000)
    return {phase: round(max(facts[phase]), 3) for phase in PHASES}


def _traffic(consortium: Consortium, number: int) -> dict[str, int]:
    """Bytes of all hospitals' frames in a round; a journal counts from its process's start."""
    total = {"bytes_up": 0, "bytes_down": 0}
    for hospital in consortium.hospitals:
        last = {"bytes_up": 0, "bytes_down": 0}
        for event in hospital.events(consortium.terms.federation):
            for direction in total:
                grown = event[direction] - last[direction]
                if event["round"] == number:
                    total[direction] += grown if grown >= 0 else event[direction]
                last[direction] = event[direction]
    return total


def show(summary: Row, console: Console) -> None:
    """The tables at the end of the demo."""
    rounds = Table(
        title="Rounds (seconds; kB of all hospitals together)",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1),
        collapse_padding=True,
        pad_edge=False,
        caption="open: from opening to closing; decrypt: from closing to the model",
        caption_justify="left",
    )
    columns = ("round", "in the sum", *PHASES, "kB up", "kB down", "accuracy")
    for column in columns:
        rounds.add_column(column, justify="left" if column == "in the sum" else "right")
    for row in summary["rounds"]:
        missing = [name for name in NAMES if name not in row["contributors"]]
        rounds.add_row(
            str(row["round"]),
            f"without {', '.join(missing)}" if missing else f"all {len(NAMES)}",
            *(f"{row['seconds'][phase]:.2f}" for phase in PHASES),
            f"{row['bytes_up'] / 1000:.0f}",
            f"{row['bytes_down'] / 1000:.0f}",
            f"{row['accuracy']:.1%}",
        )
    console.print(rounds)
    accuracy = summary["accuracy"]
    table = Table(
        title="Accuracy on patients that nobody trained on", title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("model")
    table.add_column("accuracy", justify="right")
    table.add_row("federated, encrypted", f"{accuracy['federated']:.1%}")
    table.add_row("federated averaging in the clear, float64", f"{accuracy['plain_fedavg']:.1%}")
    table.add_row("one model on all data pooled", f"{accuracy['pooled']:.1%}")
    for number, alone in enumerate(accuracy["alone"], start=1):
        table.add_row(f"hospital {number} alone", f"{alone:.1%}")
    console.print(table)
    console.print(
        f"largest difference between the encrypted and the plain average: "
        f"{summary['max_abs_error']:.1e}\nkey ceremony: {summary['parties']} hospitals, "
        f"{summary['key_bits']} bits, {summary['ceremony_seconds']:.1f} s"
    )


def write(summary: Row, consortium: Consortium) -> None:
    """summary.json for programs, report.txt for people."""
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    (consortium.folder / "summary.json").write_text(text + "\n")
    with (consortium.folder / "report.txt").open("w") as file:
        show(summary, Console(file=file, width=120))
        print("refusals:", json.dumps(summary["refusals"], indent=2, ensure_ascii=False), file=file)
