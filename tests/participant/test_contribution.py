"""Of which updates a hospital makes a contribution: those of which few values are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from participant.contribution import ContributionMaker, most_cut
from participant.errors import TooMuchCut
from participant.layout import Layout
from participant.weights import Weights
from protocol.board import Posted
from protocol.draft import Draft
from protocol.messages import Contribution, Opening
from tests.simulator.disk import Disk
from tests.toy import Table, replace_terms, toy_epoch

LENGTH, CLIP, MOST = 250, 0.5, 3


class Made:
    """What member 1 makes under a suite, and its disk."""

    def __init__(self, suite: Any) -> None:
        self.toy, self.disk = toy_epoch(5, 3), Disk()
        terms = replace_terms(self.toy.federation.terms, suite=suite)
        self.maker = ContributionMaker(terms, self.toy.epoch, self.toy.secrets[1], self.disk)
        body = Opening("training", self.toy.epoch.digest, bytes(32), LENGTH, suite, CLIP)
        self.opening: Posted = Table(self.toy.federation).say(0, Draft("round/7", body))

    def contribute(self, beyond: int) -> tuple[Draft, int]:
        """An update at the bound but for some values that are just beyond it."""
        update = np.full(LENGTH, CLIP)
        update[::2] *= -1
        update[LENGTH - beyond :] *= 1.001
        weights = Weights(Layout.of([update]), (update,))
        return self.maker.make(weights, 500, self.opening)


@pytest.fixture(params=["paillier", "hybrid"])
def made(request: pytest.FixtureRequest) -> Made:
    return Made(request.param)


def test_of_an_update_one_value_in_100_and_one_more_may_be_cut() -> None:
    assert [most_cut(n) for n in (1, 99, 100, LENGTH, 1_000_000)] == [1, 1, 2, MOST, 10_001]


def test_what_is_cut_up_to_that_is_counted_and_contributed(made: Made) -> None:
    draft, cut = made.contribute(MOST)
    assert isinstance(draft.body, Contribution)
    assert cut == MOST


def test_beyond_that_nothing_is_stored_and_the_error_has_all_numbers(made: Made) -> None:
    with pytest.raises(TooMuchCut) as caught:
        made.contribute(MOST + 1)
    error = caught.value
    assert (error.round_name, error.clip) == ("7", CLIP)
    assert (error.values, error.length, error.most) == (MOST + 1, LENGTH, MOST)
    assert not made.disk.files
