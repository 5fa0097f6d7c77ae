# SPDX-License-Identifier: Apache-2.0
"""A task's data, in: the app trains on its hospital's model, whatever the server sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nvflare.apis.dxo import DXO, DataKind
from nvflare.apis.filter import Filter
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.app_common.app_constant import AppConstants

from quorate_nvflare.exchange import Exchange
from quorate_nvflare.logged import logged
from quorate_nvflare.meeting import require_same_study
from quorate_nvflare.params import MODELS, dxo_in, require_same
from quorate_nvflare.receipt import SENT_FIRST
from quorate_nvflare.settings import read_settings

_TASK = "quorate.task"


@dataclass(frozen=True)
class Begun:
    """What a task has begun with. round: quorate's, 0 where it trains nothing. given: its model."""

    round: int = 0
    given: Mapping[str, Any] | None = None
    header: int | None = None  # the server's number of its round


def begun_in(fl_ctx: FLContext) -> Begun | None:
    """What the task of this context has begun with, None if the filter has not seen it."""
    found = fl_ctx.get_prop(_TASK)
    return found if isinstance(found, Begun) else None


class QuorateModelFilter(Filter):
    """For ``task_data_filters``. In the site's privacy.json, and in a job where a site has none.

    It does not raise DXOFilter's events for each DXO: whatever has no model passes as it is, and
    QuorateUpdateFilter lets out no model from a task that began with none.
    """

    @logged
    def process(self, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        """Raises QuorateError. A second filter of this kind, of the job, does nothing."""
        if begun_in(fl_ctx) is not None:
            return shareable
        dxo = dxo_in(shareable)
        if dxo is None or dxo.data_kind not in MODELS:
            fl_ctx.set_prop(_TASK, Begun(), private=True, sticky=False)
            return shareable
        is_training = fl_ctx.get_prop(FLContextKey.TASK_NAME) == AppConstants.TASK_TRAIN
        begun = _begin(dxo, shareable, fl_ctx) if is_training else _standing(fl_ctx)
        fl_ctx.set_prop(_TASK, begun, private=True, sticky=False)
        made = DXO(DataKind.WEIGHTS, dict(begun.given or {}), dxo.meta)
        return made.update_shareable(shareable)


def _begin(dxo: DXO, shareable: Shareable, fl_ctx: FLContext) -> Begun:
    number = shareable.get_header(AppConstants.CURRENT_ROUND)
    is_first = number == shareable.get_header(AppConstants.START_ROUND, 0)
    initial = dxo.data if dxo.data_kind == DataKind.WEIGHTS else {}
    settings = read_settings(fl_ctx)
    with Exchange(settings, fl_ctx.get_job_id()) as agent:
        if is_first:
            require_same_study(agent.study(), settings.socket, fl_ctx)
        answer = agent.begin(initial)
    if initial and not is_first and dxo.get_meta_prop(SENT_FIRST) is not True:
        require_same(initial, answer.parameters)
    return Begun(answer.round, answer.parameters, number if isinstance(number, int) else None)


def _standing(fl_ctx: FLContext) -> Begun:
    with Exchange(read_settings(fl_ctx), fl_ctx.get_job_id()) as agent:
        return Begun(0, agent.model().parameters)
