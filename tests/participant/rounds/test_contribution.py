"""What a hospital makes of an update that the bounds of a round are too small for."""

from typing import Any

import numpy as np
import pytest

from keyshare.errors import BadExamples, BadUpdate
from participant.model.layout import Layout
from participant.model.weights import Weights
from participant.rounds.contribution import BeyondPlan, ContributionMaker
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.messages.rounds import Contribution, Opening
from tests.simulator.disk import Disk
from tests.stage.studies import training_study
from tests.stage.toy import Table, toy_epoch

LENGTH, CLIP, MOST = 250, 0.5, 256


class Made:
    """What member 1 makes under a suite, and its disk."""

    def __init__(self, suite: Any) -> None:
        self.toy, self.disk = toy_epoch(5, 3), Disk()
        study = training_study(self.toy.federation.terms, suite=suite)
        self.maker = ContributionMaker(study, self.toy.epoch, self.toy.secrets[1], self.disk)
        place = study.digest, self.toy.epoch.digest, bytes(32)
        body, table = Opening(*place, LENGTH, suite, CLIP, MOST), Table(self.toy.federation)
        table.found(study)
        self.opening: Posted = table.say(0, Draft("study/cardio/3", body))

    def contribute(self, largest: float, examples: int = 200) -> Any:
        """An update of this largest change."""
        update = np.zeros(LENGTH)
        update[3], update[7] = -largest, 0.01
        weights = Weights(Layout.of([update]), (update,))
        return self.maker.make(weights, examples, self.opening)  # type: ignore[arg-type]


@pytest.fixture(params=["paillier", "hybrid"])
def made(request: pytest.FixtureRequest) -> Made:
    return Made(request.param)


@pytest.mark.parametrize(
    ("largest", "examples", "fits"),
    [(0.02, 200, True), (CLIP, 256, True), (0.51, 200, False), (8, 200, False), (0.1, 257, False)],
)
def test_what_does_not_fit_the_round_is_blinded_and_looks_like_all_others(
    made: Made, largest: float, examples: int, fits: bool
) -> None:
    draft, writer = made.contribute(largest, examples)
    other, _ = made.contribute(0.01)
    assert writer.fits == fits
    assert isinstance(draft.body, Contribution)
    assert isinstance(other.body, Contribution)
    assert len(draft.body.vector) == len(other.body.vector)
    sizes = [[len(blob) for blob in one.blobs] for one in (draft, other)]
    assert np.allclose(sizes[0], sizes[1], atol=4)  # the proof's numbers may begin with zeros
    stored = [
        len(made.disk.read(f"outbox/blob-{n.hex()}") or b"") for n in (*draft.stored, *other.stored)
    ]
    assert len(set(stored)) <= 1


def test_the_same_contribution_is_blinded_alike_and_another_otherwise(made: Made) -> None:
    """A restored snapshot may have it made again: it must not be two under one key."""
    first, again = (made.contribute(1.0)[0] for _ in range(2))
    other, _ = made.contribute(3.0)
    assert first == again
    assert first.body != other.body


@pytest.mark.parametrize("largest", [8.001, 1e300])
def test_an_update_beyond_the_plan_is_not_contributed(made: Made, largest: float) -> None:
    with pytest.raises(BeyondPlan) as caught:
        made.contribute(largest)
    assert caught.value.largest == largest
    assert not made.disk.names("outbox/")


@pytest.mark.parametrize("examples", [0, 1_001])
def test_examples_that_the_plan_does_not_allow_are_refused(made: Made, examples: int) -> None:
    with pytest.raises(BadExamples):
        made.contribute(0.1, examples)
    assert not made.disk.names("outbox/")


@pytest.mark.parametrize("largest", [np.nan, np.inf])
def test_an_update_that_is_not_finite_is_refused_before_anything_is_stored(
    made: Made, largest: float
) -> None:
    with pytest.raises(BadUpdate):
        made.contribute(largest)
    assert not made.disk.names("outbox/")
