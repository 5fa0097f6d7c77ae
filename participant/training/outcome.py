"""What a round leaves a hospital with: the next model on disk, and the bounds of the next updates.

The model is written as the slices of the average update come, and has its name only when it is
whole; the bounds are written before it, so that a model is never there without them.
"""

import math
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keyshare.rounds import Counts, Marks
from participant.disk import Storage, exists
from participant.errors import DamagedFile, ForeignModel, NoStart
from participant.home import federation_folder, folder_name
from participant.model import (
    Layout,
    Model,
    NextModel,
    Vector,
    bounds_name,
    checked,
    model_name,
    read_model,
    write_model,
)
from participant.training.bounds import Bounds
from protocol.board import Study
from protocol.encoding import decode, encode
from protocol.errors import Malformed

_MAX_BOUNDS_BYTES = 100
_MISSING = "this hospital does not have that model"


@dataclass(frozen=True)
class Standing:
    """The round that a hospital has finished, the model it holds, and the bounds that follow.

    Of a model that people have put here no bounds are known. Then the plan's own are asked for.
    """

    number: int
    model: Model
    bounds: Bounds
    is_given: bool = False  # by people: this hospital has not made that model


class Forgone(Exception):
    """A round's sum shows no update."""


class Outcome:
    """The standing after a round in the making."""

    def __init__(self, storage: Storage, study: str, before: Standing, number: int) -> None:
        """study, number: of the round."""
        self._storage, self._before = storage, before
        self._study, self._number = study, number
        self._squares, self._weights = 0.0, 0
        self._open = ExitStack()
        output = self._open.enter_context(storage.writing(model_name(study, number)))
        self._next = NextModel(before.model, output, _about(study, number))

    def add(self, update: Vector) -> None:
        """The next weights' average change."""
        self._squares += float(np.square(update).sum())
        self._weights += len(update)
        self._next.add(update)

    @property
    def root_mean_square(self) -> float:
        """Of all average changes."""
        return math.sqrt(self._squares / self._weights)

    def finish(self, counts: Counts | None, own: Marks | None) -> None:
        """Keep the model, and the bounds that follow (``Bounds.after``); durable on return."""
        self._next.finish()
        self._keep(self._before.bounds.after(counts, own))
        self._open.close()

    def abandon(self, reason: Exception) -> None:
        """Keep nothing of it: the sum was none of honest contributions."""
        self._stay(self._before.bounds, reason)

    def forgo(self, counts: Counts | None, own: Marks | None) -> None:
        """Keep the counts alone: the sum shows no update, by blinding or by rounding."""
        self._stay(self._before.bounds.after(counts, own), Forgone())

    def _stay(self, bounds: Bounds, reason: Exception) -> None:
        """The model as it was is the next one; durable on return."""
        self._open.__exit__(type(reason), reason, None)
        stay(self._storage, self._study, self._number, replace(self._before, bounds=bounds))

    def _keep(self, bounds: Bounds) -> None:
        self._storage.write(bounds_name(self._study, self._number), encode(bounds))


def stay(storage: Storage, study: str, number: int, before: Standing) -> None:
    """Keep the model and the bounds of before as those after a round; durable on return."""
    storage.write(bounds_name(study, number), encode(before.bounds))
    _write(storage, study, number, before.model)


def load(storage: Storage, study: str, number: int, layout: Layout) -> Standing | None:
    """The standing after a round, or before the first; None if it is not here.

    The bounds are stored first: a model without them was put there by people.
    Raises ForeignModel if it is another app's, DamagedFile if it does not read.
    """
    stored = model_name(study, number)
    data = storage.read(stored)
    if data is None:
        return None
    model, name = read_model(data, layout, study, number), bounds_name(study, number)
    if not number:
        return Standing(0, model, Bounds())
    if (kept := storage.read(name)) is None:
        return Standing(number, model, Bounds(), is_given=True)
    try:
        bounds = decode(kept, Bounds, "bounds", _MAX_BOUNDS_BYTES)
    except Malformed:
        reason = f"{name}, which belongs to it, does not read"
        raise DamagedFile(stored, reason, "model") from None
    return Standing(number, model, bounds)


def newest(
    storage: Storage, study: Study, layout: Layout, initial: object, digest: bytes | None
) -> Standing:
    """The newest model stored here, or the one that the study starts from.

    digest: as of ``start_of``. Raises what ``load`` raises, NoStart, and BadApp for
    the initial model.
    """
    for number in range(study.rounds, 0, -1):
        if found := load(storage, study.name, number, layout):
            return found
    if study.training.start_study:
        return Standing(0, start_of(storage, study, layout, digest), Bounds())
    return Standing(0, Model.of(checked(initial, layout, "initial_parameters")), Bounds())


def start_of(storage: Storage, study: Study, layout: Layout, digest: bytes | None) -> Model:
    """The model that a study takes from another one; raises NoStart if it cannot be had here.

    digest: of the model, where the study takes it from a federation before. Then it may lie as the
    study's own first one, where people have put it, or in the folder of that federation.
    """
    work = study.training
    first, last = (study.name, 0), (work.start_study, work.start_round)
    stored = [(storage.read(model_name(*last)), last)]
    if work.start_federation:
        there = storage.read_beside(folder_name(work.start_federation), model_name(*last))
        stored = [(storage.read(model_name(*first)), first), (there, last)]
    try:
        found = [read_model(data, layout, *of) for data, of in stored if data is not None]
    except ForeignModel as error:
        raise _no_start(study, f"it is no model of this app: {error.reason}") from None
    if not found:
        raise _no_start(study, _MISSING)
    for model in found:
        if not work.start_federation or model.digest == digest:
            return model
    reason = "this hospital has another model there than the members of that study had stated"
    raise _no_start(study, reason)


def lacking_start(study: Study, folder: Path) -> NoStart | None:
    """What ``start_of`` will raise of a study that goes on from a federation before, if anything.

    folder: the hospital's for this federation. What a file holds is not looked at. Raises DiskError
    where a folder does not open.
    """
    work = study.training
    if not work.start_federation:
        return None
    before = federation_folder(folder.parent, work.start_federation)
    last = before / model_name(work.start_study, work.start_round)
    is_here = exists(folder / model_name(study.name, 0)) or exists(last)
    return None if is_here else _no_start(study, _MISSING)


def _no_start(study: Study, reason: str) -> NoStart:
    work = study.training
    start = f"{work.start_study}/{work.start_round}"
    if work.start_federation:
        start, place = f"{start} of a federation before", model_name(study.name, 0)
    else:
        place = model_name(work.start_study, work.start_round)
    return NoStart(study.name, start, reason, place)


def keep_start(storage: Storage, study: str, model: Model) -> None:
    """Keep the model before the first round, durably: later studies are compared with it."""
    _write(storage, study, 0, model)


def _write(storage: Storage, study: str, number: int, model: Model) -> None:
    with storage.writing(model_name(study, number)) as output:
        write_model(model, output, _about(study, number))


def _about(study: str, number: int) -> dict[str, str]:
    return {"study": study, "round": str(number)}
