# SPDX-License-Identifier: Apache-2.0
"""Errors of a filter in the site's log alone."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from nvflare.apis.filter import Filter
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable

from quorate_nvflare.errors import QuorateError

F = TypeVar("F", bound=Filter)
Process = Callable[[F, Shareable, FLContext], Shareable]


def logged(process: "Process[F]") -> "Process[F]":
    """Write a QuorateError to the log, whatever NVFlare's secure logging makes of it later.

    No event is fired for it: NVFlare can send those of a log to the server.
    """

    @wraps(process)
    def process_and_log(self: F, shareable: Shareable, fl_ctx: FLContext) -> Shareable:
        try:
            return process(self, shareable, fl_ctx)
        except QuorateError as error:
            self.log_error(fl_ctx, f"quorate: {error}", fire_event=False)
            raise

    return process_and_log
