"""What the demo measured, compared with a computation in the clear."""

from pathlib import Path
from typing import Any

import numpy as np

from examples.demo import clear, rounds
from examples.demo.consortium import QUORUM, Consortium
from examples.demo.precision import error_bound
from examples.demo.study import Study
from participant.app import app_seed, initial_config
from participant.model import Vector
from protocol.board import Board

Row = dict[str, Any]


def summarise(consortium: Consortium, refusals: Row) -> Row:
    """Everything that goes into summary.json."""
    board = consortium.read_board()
    return {
        "parties": len(consortium.hospitals),
        "quorum": QUORUM,
        "key_bits": consortium.terms.key_bits,
        "ceremony_seconds": round(consortium.ceremony_seconds, 2),
        "tumours": summarise_study(consortium, board, consortium.tumours),
        "digits": summarise_study(consortium, board, consortium.digits),
        "refusals": refusals,
    }


def summarise_study(consortium: Consortium, board: Board, study: Study) -> Row:
    """One model: its rounds, and its accuracy beside that of training in other ways."""
    config = initial_config(consortium.terms, study.rounds[0] - 1)
    layout, model = clear.initial(study, config)
    rows = []
    for number in study.rounds:
        before, model = model, rounds.model_of(consortium, number, layout)
        row = _round(consortium, board, number, layout.weights)
        row |= _difference(consortium, board, study, number, before, model)
        row["accuracy"] = round(clear.accuracy(study, clear.to_app(model, layout)), 4)
        rows.append(row)
    contributors = [rounds.contributors_of(board, number) for number in study.rounds]
    plain = clear.to_app(clear.federated_average(study, contributors, config), layout)

    def trained_alone(path: Path) -> float:
        return round(clear.accuracy(study, clear.train_on(study, path, config)), 4)

    return {
        "weights": layout.weights,
        "rounds": rows,
        "accuracy": {
            "federated": rows[-1]["accuracy"],
            "plain_fedavg": round(clear.accuracy(study, plain), 4),
            "pooled": trained_alone(study.pooled),
            "alone": [trained_alone(path) for path in study.files],
        },
    }


def _round(consortium: Consortium, board: Board, number: int, weights: int) -> Row:
    contributors = rounds.contributors_of(board, number)
    opening = rounds.opening_of(board, number)
    encrypted = rounds.contribution_bytes(opening, consortium.terms)
    return {
        "round": number,
        "suite": opening.suite,
        "clip": opening.clip,
        "unfit": rounds.blinded_in(consortium, number),
        "rounding": rounds.rounding_in(consortium, number),
        "contributors": [consortium.terms.name_of(m) for m in contributors],
        "seconds": rounds.seconds_of(consortium, board, number),
        "bytes_per_weight": round(encrypted / weights, 2),
        **rounds.traffic_of(consortium, number),
    }


def _difference(
    consortium: Consortium, board: Board, study: Study, number: int, before: Vector, after: Vector
) -> Row:
    """A round's model beside the average in the clear of the same hospitals, from the same model.

    Where an update did not fit the round, the model stays as it was.
    """
    opening = rounds.opening_of(board, number)
    layout, _ = clear.initial(study, initial_config(consortium.terms, study.rounds[0] - 1))
    config = {"seed": app_seed(consortium.terms), "round": number}
    contributors = rounds.contributors_of(board, number)
    updates, examples = clear.fit_all(study, layout, before, contributors, config)
    is_unfit = rounds.blinded_in(consortium, number) > 0
    plain = before if is_unfit else before + examples @ updates / examples.sum()
    return {
        "max_abs_error": float(np.abs(after - plain).max()),
        "error_bound": error_bound(opening, consortium.terms, examples, after),
    }
