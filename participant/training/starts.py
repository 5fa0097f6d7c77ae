"""From which other rounds' models a study starts, or nearly: what it adds to both is compared.

One changed weight gives a model another digest, and its updates hardly another value. So a hospital
compares the model that it first contributes from in a study with those from which it contributed in
other studies, entry by entry of one name and shape. They are near if more than half of the weights
of the smaller one differ by no more than a weight may change in a round. Of a model that was let go
of, a sample tells that (participant/pruning/samples.py). A model of which this hospital has nothing
any more counts as near: that makes it wait, or others contribute, and shows nothing. So does a file
whose model has another digest than the round's: people may have put back a wrong one, which comes
from another hospital.

Two studies from one model go the same way, if the same hospitals train with the same app: after
each round their models are nearly the same. So a later contribution is compared too, with a
narrower bound: as near as that come only models of such studies, while each study moves on.

Whoever has added n times its update to one sum adds nothing to another one, from the same model or
nearly, in which all hospitals count alike. Each of the two holds enough, and over the same
hospitals they differ by none. But they are two equations for the same updates: of three hospitals
one solves them for both others', if it knows how many examples those have.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from participant.errors import DamagedFile
from participant.model import SLICE, Model, model_name, read_stored
from participant.pruning import SampledModels
from participant.study import Earlier, Kept, earlier_rounds, has_contributed, representatives
from protocol.board import Board, Study
from protocol.messages import NEAR_TO_NOTHING, Near, Opening
from protocol.rounds import OpenedSets, Start

LATER = 1 / 64  # of a weight's change: as far apart as near models are after the first round


class Alike(NamedTuple):
    """What a hospital has contributed before, from the model of a round or nearly.

    near: what its contribution names. weighed_otherwise: those studies of this board that weigh
    hospitals in another way, by name. lost: rounds of which nothing is here any more that could be
    compared, as far as they were looked at; people's names of them.
    """

    near: Near = NEAR_TO_NOTHING
    weighed_otherwise: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def alike_before(
    history: OpenedSets,
    board: Board,
    index: int,
    study: Study,
    opening: Opening,
    start: Model,
    samples: SampledModels,
) -> Alike:
    """What is alike among the rounds of other studies, and of the federations before.

    index: this hospital's number. opening: of the round, which is from the model ``start``.
    samples: of models that were let go of, beside those that are kept.
    """
    share = LATER if has_contributed(history, index, study) else 1.0
    verdicts: dict[tuple[Start, float], bool] = {}
    lost: dict[str, None] = {}

    def is_near_to(from_: Start, kept: Kept) -> bool:
        if (from_, kept.clip) not in verdicts:
            bound = share * max(opening.clip, kept.clip)
            found = True
            if other := _kept_model(kept, from_.name):
                found = _is_near(start, other, bound)
            elif sample := samples.of(kept, from_.name):
                found = samples.is_near(sample, start, bound)
            else:
                lost[kept.round_name] = None
            verdicts[from_, kept.clip] = found
        return verdicts[from_, kept.clip]

    def is_near(one: Earlier) -> bool:
        return not one.kept or any(is_near_to(one.start, kept) for kept in one.kept)

    among = earlier_rounds(history, board, index, study, samples.storage)
    others = [one for one in among if one.start.name != opening.model]
    found = {
        one.study.name
        for one in among
        if one.study and one.study.training.weights != study.training.weights
        if one.start.name == opening.model or is_near(one)
    }
    near = representatives(others, is_near, partial(history.alike, index))
    return Alike(near, tuple(sorted(found)), tuple(lost))


def _kept_model(kept: Kept, digest: bytes) -> Model | None:
    """The model that a contribution was made from; None unless just that one lies there."""
    study, number = kept.study, kept.number - 1
    try:
        found = read_stored(kept.read(model_name(study, number)) or b"", study, number)
    except DamagedFile:
        return None
    return found if found.digest == digest else None


def _is_near(start: Model, other: Model, bound: float) -> bool:
    layout, near = start.layout, 0
    entries = dict(zip(other.layout.names, other.entries, strict=True))
    shapes = dict(zip(other.layout.names, other.layout.shapes, strict=True))
    for name, shape, own in zip(layout.names, layout.shapes, start.entries, strict=True):
        if shapes.get(name) == shape:
            found = entries[name]
            for first in range(0, len(own), SLICE):
                part = slice(first, first + SLICE)
                apart = own[part].astype(np.float64) - found[part].astype(np.float64)
                near += int(np.count_nonzero(np.abs(apart) <= bound))
    return 2 * near > min(layout.weights, other.layout.weights)
