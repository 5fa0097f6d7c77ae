# SPDX-License-Identifier: Apache-2.0
"""The server's part where the server learns nothing: it compares receipts."""

from __future__ import annotations

from typing import Any

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.aggregators.model_aggregator import ModelAggregator

from quorate_nvflare.errors import WrongReceipts
from quorate_nvflare.meeting import TOPIC, Study, answered, disagreement
from quorate_nvflare.receipt import SENT_FIRST, Receipt


class QuorateAggregator(ModelAggregator):
    """For ``FedAvg(aggregator=…)``. The server's model stays what the job began with.

    receipts: of each round that is over, by site. A site that sends anything else ends the job.
    """

    def __init__(self) -> None:
        super().__init__()
        self.receipts: list[dict[str, Receipt]] = []
        self._now: dict[str, Receipt] = {}
        self._metrics: dict[str, dict[str, Any]] = {}
        self._studies: dict[str, Study] = {}

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """From the job's start on, sites tell which study they train."""
        super().handle_event(event_type, fl_ctx)
        if event_type == EventType.START_RUN:
            fl_ctx.get_engine().register_aux_message_handler(TOPIC, self.meet)

    def meet(self, topic: str, request: Shareable, fl_ctx: FLContext) -> Shareable:
        """A site tells which study it trains; the job ends if another site trains another."""
        peer = fl_ctx.get_peer_context()
        site, said = str(peer.get_identity_name()), Study.read(request)
        if said is None:
            return answered("what it says is no study", False)
        self._studies[site] = said
        if reason := disagreement(dict(self._studies)):
            self._ended(reason)
        due = {client.name for client in fl_ctx.get_engine().get_clients()}
        return answered(reason, due <= self._studies.keys())

    def accept_model(self, model: FLModel) -> None:
        """Keep a site's receipt. Raises WrongReceipts for what is none, and ends the job."""
        site = str(model.meta.get("client_name", "a site"))
        receipt = Receipt.read(model.params)
        model.params = {}
        if receipt is None:
            raise self._ended(
                f"{site} has sent no receipt but data of its own: see that its local/privacy.json "
                "has QuorateUpdateFilter, and nothing after it"
            )
        self._now[site] = receipt
        self._metrics[site] = dict(model.metrics or {})
        self.info(f"quorate: {site} says {receipt}")

    def aggregate_model(self) -> FLModel:
        """Nothing that changes the server's model; metrics are averaged over sites.

        Raises WrongReceipts, and ends the job, where sites stand at different models after one
        round, or none has sent a receipt.
        """
        if not self._now:
            raise self._ended("no site has sent a receipt: see their logs")
        models: dict[int, dict[str, list[str]]] = {}
        for site, receipt in self._now.items():
            models.setdefault(receipt.round, {}).setdefault(receipt.model, []).append(site)
        for number, sites in models.items():
            if len(sites) > 1:
                stand = ", ".join(f"{' and '.join(s)} at {m[:16]}" for m, s in sites.items())
                raise self._ended(f"after round {number} sites stand at different models: {stand}")
        self.receipts.append(self._now)
        return FLModel(
            params_type=ParamsType.DIFF,
            params={},
            metrics=_means(list(self._metrics.values())) or None,
            meta={SENT_FIRST: True},
        )

    def reset_stats(self) -> None:
        """Before each round."""
        self._now, self._metrics = {}, {}

    def _ended(self, reason: str) -> WrongReceipts:
        if self.fl_ctx is not None:
            self.system_panic(f"quorate: {reason}", self.fl_ctx)
        return WrongReceipts(reason)


def _means(found: list[dict[str, Any]]) -> dict[str, float]:
    """Of the metrics that all sites have."""
    names = set.intersection(*map(set, found))
    return {name: sum(one[name] for one in found) / len(found) for name in sorted(names)}
