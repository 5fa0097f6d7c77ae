"""What a hospital makes of an update that the bounds of a round are too small for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keyshare.errors import BadExamples, BadUpdate
from participant.contribution import ContributionMaker
from participant.layout import Layout
from participant.weights import Weights
from protocol.board import Posted
from protocol.draft import Draft
from protocol.messages import Contribution, Opening
from tests.simulator.disk import Disk
from tests.toy import Table, replace_terms, toy_epoch

LENGTH, CLIP, MOST = 250, 0.5, 256


class Made:
    """What member 1 makes under a suite, and its disk."""

    def __init__(self, suite: Any) -> None:
        self.toy, self.disk = toy_epoch(5, 3), Disk()
        terms = replace_terms(self.toy.federation.terms, suite=suite)
        self.maker = ContributionMaker(terms, self.toy.epoch, self.toy.secrets[1], self.disk)
        body = Opening("training", self.toy.epoch.digest, bytes(32), LENGTH, suite, CLIP, MOST)
        self.opening: Posted = Table(self.toy.federation).say(0, Draft("round/7", body))

    def contribute(self, largest: float, examples: int = 200) -> Any:
        """An update of this largest change."""
        update = np.zeros(LENGTH)
        update[3], update[7] = -largest, 0.01
        weights = Weights(Layout.of([update]), (update,))
        return self.maker.make(weights, examples, self.opening)


@pytest.fixture(params=["paillier", "hybrid"])
def made(request: pytest.FixtureRequest) -> Made:
    return Made(request.param)


@pytest.mark.parametrize(
    ("largest", "scaled"), [(0.02, 1), (CLIP, 1), (2, 0.25), (1.1, 0.25), (1e300, 2.0**-998)]
)
def test_an_update_is_scaled_to_the_bound_and_contributed(
    made: Made, largest: float, scaled: float
) -> None:
    draft, writer = made.contribute(largest)
    assert isinstance(draft.body, Contribution)
    assert 2.0**-writer.halvings == scaled
    assert writer.weighed_as == 200


def test_more_examples_than_the_round_weighs_are_capped(made: Made) -> None:
    _, writer = made.contribute(0.1, 257)
    assert writer.weighed_as == 256


@pytest.mark.parametrize("examples", [0, 1_001])
def test_examples_that_the_terms_do_not_allow_are_refused(made: Made, examples: int) -> None:
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
