"""What is known of a round when it is over: from the board, the journals and the stored models."""

from collections import defaultdict
from typing import Any

import numpy as np

from examples.demo.consortium import Consortium
from participant.model import Layout, Vector, model_name, read_model
from protocol.board import Board, Study, suite_of
from protocol.messages import Closing, Opening, round_session

PHASES = ("train", "encrypt", "open", "decrypt")


def contributors_of(board: Board, study: str, number: int) -> list[int]:
    """Whose contributions are in a round's sum."""
    return [c.member for c in _said(board, study, number, Closing).contributors]


def opening_of(board: Board, study: str, number: int) -> Opening:
    """How a round was opened."""
    opening: Opening = _said(board, study, number, Opening)
    return opening


def model_of(consortium: Consortium, study: str, number: int, layout: Layout) -> Vector:
    """The model after a round; every hospital must hold the same one."""
    name = model_name(study, number)
    files = [h.folder(consortium.terms.federation) / name for h in consortium.hospitals]
    first, *others = (
        read_model(file.read_bytes(), layout, study, number).weights.slice(0, layout.weights)
        for file in files
    )
    assert all(np.array_equal(first, other) for other in others)
    return first


def seconds_of(consortium: Consortium, board: Board, study: str, number: int) -> dict[str, float]:
    """Longest training and encryption; time from opening to closing, and from there to a model."""
    times = {
        type(posted.post.body): posted.time_ms
        for posted in board.session(round_session(study, number))
        if isinstance(posted.post.body, Opening | Closing)
    }
    facts: defaultdict[str, list[float]] = defaultdict(list)
    for event in _events(consortium, study, number):
        for phase in {"train", "encrypt", "decrypt"} & event.keys():
            facts[phase].append(float(event[phase]))
    # A hospital that was away reads a finished round at once: its time is not the round's.
    facts["open"].append((times[Closing] - times[Opening]) / 1000)
    return {phase: round(max(facts[phase]), 3) for phase in PHASES}


def contribution_bytes(opening: Opening, study: Study) -> int:
    """Size of one hospital's encrypted update: ciphertexts below N², and the vector's chunks."""
    suite = suite_of(opening.suite, study)
    total = suite.ciphertext_count(opening.length) * 2 * study.terms.key_bits // 8
    if suite.lattice is not None:
        count = suite.slot_count(opening.length)
        chunks = range(suite.lattice.chunk_count(count))
        total += sum(suite.lattice.contribution_chunk_bytes(k, count) for k in chunks)
    return total


def blinded_in(consortium: Consortium, study: str, number: int) -> int:
    """How many hospitals' updates did not fit the round's bounds."""
    return sum(event["event"] == "blinded" for event in _events(consortium, study, number))


def rounding_in(consortium: Consortium, study: str, number: int) -> float:
    """What rounding changed in the average, as hospitals were told."""
    told = [e["rounding"] for e in _events(consortium, study, number) if e["event"] == "rounding"]
    return float(max(told, default=0.0))


def _events(consortium: Consortium, study: str, number: int) -> list[dict[str, Any]]:
    """What all hospitals' training has reported of a round."""
    found = (e for h in consortium.hospitals for e in h.events(consortium.terms.federation, study))
    return [event for event in found if event["round"] == number]


def _said(board: Board, study: str, number: int, kind: type[Any]) -> Any:
    (body,) = [
        body
        for posted in board.session(round_session(study, number))
        if isinstance(body := posted.post.body, kind)
    ]
    return body
