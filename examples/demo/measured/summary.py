"""What the demo measured, compared with a computation in the clear."""

from pathlib import Path
from typing import Any

import numpy as np

from examples.demo.consortium import QUORUM, Consortium
from examples.demo.measured import clear, rounds
from examples.demo.measured.precision import error_bound
from examples.demo.study import Training
from participant.app import config_of
from participant.model import Vector
from protocol.board import Board, Study

Row = dict[str, Any]


def summarise(consortium: Consortium, ages: Row, refusals: Row, succession: Row) -> Row:
    """Everything that goes into summary.json."""
    board = consortium.read_board()
    return {
        "parties": len(consortium.hospitals),
        "quorum": QUORUM,
        "key_bits": consortium.terms.key_bits,
        "ceremony_seconds": round(consortium.ceremony_seconds, 2),
        "tumours": summarise_study(consortium, board, consortium.tumours),
        "digits": summarise_study(consortium, board, consortium.digits),
        "ages": ages,
        "refusals": refusals,
        "succession": succession,
    }


def summarise_study(consortium: Consortium, board: Board, training: Training) -> Row:
    """One model: its rounds, and its accuracy beside that of training in other ways."""
    study = board.studies[training.name].study
    config = config_of(study, 0)
    layout, model = clear.initial(training, config)
    rows = []
    for number in training.numbers:
        before, model = model, rounds.model_of(consortium, study.name, number, layout)
        row = _round(consortium, board, study, number, layout.weights)
        row |= _difference(consortium, board, training, study, number, before, model)
        row["accuracy"] = round(clear.accuracy(training, clear.to_app(model, layout)), 4)
        rows.append(row)
    contributors = [rounds.contributors_of(board, study.name, k) for k in training.numbers]
    plain = clear.to_app(clear.federated_average(training, contributors, config), layout)

    def trained_alone(path: Path) -> float:
        return round(clear.accuracy(training, clear.train_on(training, path, config)), 4)

    return {
        "weights": layout.weights,
        "rounds": rows,
        "accuracy": {
            "federated": rows[-1]["accuracy"],
            "plain_fedavg": round(clear.accuracy(training, plain), 4),
            "pooled": trained_alone(training.pooled),
            "alone": [trained_alone(path) for path in training.files],
        },
    }


def _round(consortium: Consortium, board: Board, study: Study, number: int, weights: int) -> Row:
    contributors = rounds.contributors_of(board, study.name, number)
    opening = rounds.opening_of(board, study.name, number)
    encrypted = rounds.contribution_bytes(opening, study)
    return {
        "round": number,
        "suite": opening.suite,
        "clip": opening.clip,
        "unfit": rounds.blinded_in(consortium, study.name, number),
        "rounding": rounds.rounding_in(consortium, study.name, number),
        "contributors": [consortium.terms.name_of(m) for m in contributors],
        "seconds": rounds.seconds_of(consortium, board, study.name, number),
        "bytes_per_weight": round(encrypted / weights, 2),
        "update_bytes": encrypted,
    }


def _difference(
    consortium: Consortium,
    board: Board,
    training: Training,
    study: Study,
    number: int,
    before: Vector,
    after: Vector,
) -> Row:
    """A round's model beside the average in the clear of the same hospitals, from the same model.

    Where an update did not fit the round, the model stays as it was.
    """
    opening = rounds.opening_of(board, study.name, number)
    layout, _ = clear.initial(training, config_of(study, 0))
    contributors = rounds.contributors_of(board, study.name, number)
    config = config_of(study, number)
    updates, examples = clear.fit_all(training, layout, before, contributors, config)
    is_unfit = rounds.blinded_in(consortium, study.name, number) > 0
    plain = before if is_unfit else before + examples @ updates / examples.sum()
    return {
        "max_abs_error": float(np.abs(after - plain).max()),
        "error_bound": error_bound(opening, study, examples, after),
    }
