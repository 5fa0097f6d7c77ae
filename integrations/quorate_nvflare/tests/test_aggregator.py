# SPDX-License-Identifier: Apache-2.0
"""A server that learns nothing compares receipts, and ends a job in which more than those come."""

import numpy as np
import pytest
from nvflare.apis.fl_context import FLContext
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.utils.fl_model_utils import FLModelUtils
from quorate_nvflare.errors import WrongReceipts
from quorate_nvflare.receipt import RECEIPT, SENT_FIRST

from quorate_nvflare import QuorateAggregator, Receipt


def receipt(number: int = 1, model: str = "aa", outcome: str = "applied") -> Receipt:
    return Receipt("cardio", number, model * 32, 3, outcome == "applied", outcome)


def said(site: str, found: Receipt | dict[str, object], **metrics: float) -> FLModel:
    params = found.params() if isinstance(found, Receipt) else found
    return FLModel(ParamsType.FULL, params, metrics=metrics or None, meta={"client_name": site})


class Aggregator(QuorateAggregator):
    """Without a server: ``ended`` are the reasons why it would have ended the job."""

    def __init__(self) -> None:
        super().__init__()
        self.fl_ctx = FLContext()
        self.ended: list[str] = []

    def system_panic(self, reason: str, fl_ctx: FLContext) -> None:
        self.ended.append(reason)

    def info(self, message: str) -> None:
        pass


@pytest.fixture
def aggregator() -> Aggregator:
    return Aggregator()


def test_the_servers_model_stays_as_it_was(aggregator: Aggregator) -> None:
    for site in ("site-1", "site-2"):
        aggregator.accept_model(said(site, receipt()))
    before = np.arange(4, dtype=np.float32)
    servers = FLModel(ParamsType.FULL, {"weight": before})
    FLModelUtils.update_model(servers, aggregator.aggregate_model())
    assert servers.params is not None
    np.testing.assert_array_equal(servers.params["weight"], before)
    assert servers.meta[SENT_FIRST] is True


def test_receipts_are_kept_by_round_and_site(aggregator: Aggregator) -> None:
    for number in (1, 2):
        aggregator.reset_stats()
        for site in ("site-1", "site-2"):
            aggregator.accept_model(said(site, receipt(number)))
        aggregator.aggregate_model()
    assert [sorted(one) for one in aggregator.receipts] == [["site-1", "site-2"]] * 2
    assert aggregator.receipts[1]["site-2"].round == 2


def test_a_site_that_answers_for_an_earlier_round_is_late_and_no_disagreement(
    aggregator: Aggregator,
) -> None:
    aggregator.accept_model(said("site-1", receipt(2, "bb")))
    aggregator.accept_model(said("site-2", receipt(1, "aa", "late")))
    aggregator.aggregate_model()
    assert not aggregator.ended


def test_sites_with_different_models_end_the_job_by_name(aggregator: Aggregator) -> None:
    for site, model in (("site-1", "aa"), ("site-2", "bb"), ("site-3", "aa")):
        aggregator.accept_model(said(site, receipt(1, model)))
    with pytest.raises(WrongReceipts, match=r"round 1 .* site-1 and site-3 at a+, site-2 at b+"):
        aggregator.aggregate_model()
    assert aggregator.ended


@pytest.mark.parametrize(
    "found",
    [
        {"weight": np.zeros(3)},
        {**receipt().params(), "weight": np.zeros(3)},
        {RECEIPT: {**receipt().params()[RECEIPT], "model": np.zeros(3)}},
        {RECEIPT: {**receipt().params()[RECEIPT], "more": np.zeros(3)}},
        {RECEIPT: {**receipt().params()[RECEIPT], "study": "\x1b[2J"}},
        {RECEIPT: {**receipt().params()[RECEIPT], "model": "\x1b[2J"}},
        {RECEIPT: {**receipt().params()[RECEIPT], "outcome": "\x1b[2J"}},
        {RECEIPT: np.zeros(3)},
    ],
)
def test_a_site_that_sends_more_than_a_receipt_ends_the_job(
    aggregator: Aggregator, found: dict[str, object]
) -> None:
    model = said("site-2", found)
    with pytest.raises(WrongReceipts, match=r"site-2 has sent no receipt .* QuorateUpdateFilter"):
        aggregator.accept_model(model)
    assert aggregator.ended
    assert model.params == {}


def test_a_round_without_receipts_ends_the_job(aggregator: Aggregator) -> None:
    with pytest.raises(WrongReceipts, match="no site has sent a receipt"):
        aggregator.aggregate_model()


def test_metrics_that_all_sites_list_are_averaged_over_sites(aggregator: Aggregator) -> None:
    aggregator.accept_model(said("site-1", receipt(), accuracy=0.5, loss=1.0))
    aggregator.accept_model(said("site-2", receipt(), accuracy=0.25))
    assert aggregator.aggregate_model().metrics == {"accuracy": 0.375}
