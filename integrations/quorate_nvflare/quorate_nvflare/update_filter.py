# SPDX-License-Identifier: Apache-2.0
"""A task's result, out: the update goes to the hospital's agent, and a receipt to the server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nvflare.apis.dxo import DXO, DataKind, MetaKey
from nvflare.apis.filter import Filter
from nvflare.apis.fl_constant import FLContextKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey, Shareable, make_reply
from nvflare.app_common.app_constant import AppConstants

from quorate_nvflare.errors import ResultRefused
from quorate_nvflare.exchange import Exchange
from quorate_nvflare.logged import logged
from quorate_nvflare.model_filter import Begun, begun_in
from quorate_nvflare.params import MODELS, added, dxo_in
from quorate_nvflare.receipt import Receipt
from quorate_nvflare.settings import Settings, read_settings

_SENT = "quorate.sent"
_CODES = {value for name, value in vars(ReturnCode).items() if name.isupper()}


class QuorateUpdateFilter(Filter):
    """For ``task_result_filters``. In the site's privacy.json, and in a job where a site has none.

    What leaves is made anew here: a receipt, the metrics that the site lists, or an error's code.
    DXOFilter would let pass what is no DXO, what has an error's code, and meta beside no data.
    """

    @logged
    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Raises QuorateError. A second filter of this kind, of the job, does nothing."""
        is_ours = fl_ctx.get_prop(_SENT) is shareable
        if is_ours:
            return shareable
        made = _result(shareable, fl_ctx)
        fl_ctx.set_prop(_SENT, made, private=True, sticky=False)
        return made


def _result(shareable: Shareable, fl_ctx: FLContext) -> Shareable:
    if (code := shareable.get_return_code()) != ReturnCode.OK:
        return make_reply(code if code in _CODES else ReturnCode.EXECUTION_EXCEPTION)
    settings, dxo = read_settings(fl_ctx), dxo_in(shareable)
    if dxo is None:
        if shareable.keys() - {ReservedHeaderKey.HEADERS}:
            raise _refused(fl_ctx, "what is no DXO")
        return make_reply(ReturnCode.OK)
    if dxo.data_kind in MODELS:
        return _contributed(dxo, fl_ctx, settings)
    if dxo.data_kind == DataKind.METRICS:
        metrics = _listed(dxo.data, settings)
        return DXO(DataKind.METRICS, metrics).update_shareable(make_reply(ReturnCode.OK))
    raise _refused(fl_ctx, f"data of kind {dxo.data_kind!s}")


def _contributed(dxo: DXO, fl_ctx: FLContext, settings: Settings) -> Shareable:
    begun = begun_in(fl_ctx)
    if begun is None or not begun.round or begun.given is None:
        raise _refused(fl_ctx, "a model without having been given one to train")
    is_whole = dxo.data_kind == DataKind.WEIGHTS
    trained = dxo.data if is_whole else added(begun.given, dxo.data)
    metrics = _listed(dxo.get_meta_prop(MetaKey.INITIAL_METRICS), settings)
    with Exchange(settings, fl_ctx.get_job_id()) as agent:
        answer = agent.update(begun.round, trained, _examples(dxo))
    return _reply(Receipt.of(answer), metrics, begun)


def _reply(receipt: Receipt, metrics: Mapping[str, float], begun: Begun) -> Shareable:
    meta: dict[str, Any] = {MetaKey.NUM_STEPS_CURRENT_ROUND: 1}
    if metrics:
        meta[MetaKey.INITIAL_METRICS] = metrics
    made = make_reply(ReturnCode.OK)
    if begun.header is not None:
        made.set_header(AppConstants.CURRENT_ROUND, begun.header)
    return DXO(DataKind.WEIGHTS, receipt.params(), meta).update_shareable(made)


def _examples(dxo: DXO) -> int:
    """By which the hospital counts in the average. FedAvg counts who names none as 1."""
    found = dxo.get_meta_prop(MetaKey.NUM_STEPS_CURRENT_ROUND, 1)
    if isinstance(found, int | float) and math.isfinite(found) and found == int(found) >= 1:
        return int(found)
    raise ResultRefused(
        f"the app's {MetaKey.NUM_STEPS_CURRENT_ROUND} is no whole number from 1: quorate weighs "
        "hospitals by it"
    )


def _listed(found: object, settings: Settings) -> dict[str, float]:
    """The metrics that the site lists, as plain numbers; raises ResultRefused for another value."""
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ResultRefused("the app's metrics are no dict of names to numbers")
    kept = {}
    for name in settings.metrics & found.keys():
        try:
            kept[name] = float(found[name])
        except (TypeError, ValueError):
            text = f"the app's metric {name} is no number, and numbers alone may leave"
            raise ResultRefused(text) from None
    return kept


def _refused(fl_ctx: FLContext, what: str) -> ResultRefused:
    task = fl_ctx.get_prop(FLContextKey.TASK_NAME)
    return ResultRefused(
        f"in task {task!r} the app wants to send {what}: it may send a model that it has trained "
        "in task 'train', and the metrics that this site lists in quorate-metrics"
    )
