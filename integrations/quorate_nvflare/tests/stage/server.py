# SPDX-License-Identifier: Apache-2.0
"""A server's end of NVFlare's auxiliary messages, without a network."""

from collections.abc import Callable
from typing import Any

from nvflare.apis.client import Client
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext, FLContextManager
from nvflare.apis.shareable import Shareable, make_reply


class Server:
    """The engine of server and sites in one. Without a handler it does as NVFlare's does."""

    def __init__(self, *sites: str) -> None:
        self.sites = sites
        self._handlers: dict[str, Callable[..., Shareable]] = {}

    def register_aux_message_handler(self, topic: str, handler: Callable[..., Shareable]) -> None:
        self._handlers[topic] = handler

    def get_clients(self) -> list[Client]:
        return [Client(site, "token") for site in self.sites]

    def send_aux_request(
        self, targets: Any, topic: str, request: Shareable, timeout: float, fl_ctx: FLContext
    ) -> dict[str, Shareable]:
        if topic not in self._handlers:
            return {"server": make_reply(ReturnCode.TOPIC_UNKNOWN)}
        context = FLContextManager(self, "server", "job-7", {}, {}).new_context()
        context.set_peer_context(fl_ctx)
        return {"server": self._handlers[topic](topic=topic, request=request, fl_ctx=context)}
