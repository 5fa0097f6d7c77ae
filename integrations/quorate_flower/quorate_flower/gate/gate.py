# SPDX-License-Identifier: Apache-2.0
"""What the SuperNode is answered, request by request.

One message is on its way at a time, as with a SuperNode alone: pulled, worked on, answered.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from flwr.app import Message as AppMessage
from flwr.proto.fab_pb2 import GetFabRequest, GetFabResponse
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    ActivateNodeResponse,
    DeactivateNodeRequest,
    DeactivateNodeResponse,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
    PushMessagesResponse,
    RegisterNodeFleetRequest,
    RegisterNodeFleetResponse,
    UnregisterNodeFleetRequest,
    UnregisterNodeFleetResponse,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest, SendNodeHeartbeatResponse
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ConfirmMessageReceivedResponse,
    PullObjectRequest,
    PullObjectResponse,
    PushObjectRequest,
    PushObjectResponse,
)
from flwr.proto.run_pb2 import GetRunRequest, GetRunResponse
from google.protobuf.message import DecodeError, Message

from quorate_flower.gate.courier import Courier
from quorate_flower.gate.errors import Refused, RunOver, SuperLinkAway, SuperLinkRefuses
from quorate_flower.gate.exchange import Exchange, Stage
from quorate_flower.gate.reply import (
    MOD_REFUSED,
    MOST_OBJECT_BYTES,
    NO_ARRAYS,
    Failure,
    check_object,
    judge,
)

LOGGER = logging.getLogger("quorate.gate")
CRASHED = 8  # Flower's code for an app that has not answered
WAIT = 20.0  # seconds that a pull waits for a message to be fetched; the SuperNode waits 30
SMALL = 4 << 10  # bytes of a request that carries no reply
MOST_TREE_BYTES = 64 << 10


class Denied(Exception):
    """The SuperNode is answered with a status of HTTP and a text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(frozen=True)
class Request:
    """A request that the gate knows. most_bytes: of its body."""

    kind: type[Message]
    most_bytes: int
    handle: Callable[[Any], Awaitable[Message]]


class Gate:
    """The gate of one SuperNode. ``listed``: names of metrics that may leave."""

    def __init__(self, courier: Courier, listed: frozenset[str]) -> None:
        self._courier, self._listed = courier, listed
        self._exchange: Exchange | None = None
        self._pulling = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: Mapping[str, Request] = {
            "register-node": Request(RegisterNodeFleetRequest, SMALL, self._register),
            "activate-node": Request(ActivateNodeRequest, SMALL, self._activate),
            "deactivate-node": Request(DeactivateNodeRequest, SMALL, self._deactivate),
            "unregister-node": Request(UnregisterNodeFleetRequest, SMALL, self._unregister),
            "send-node-heartbeat": Request(SendNodeHeartbeatRequest, SMALL, self._heartbeat),
            "pull-messages": Request(PullMessagesRequest, SMALL, self._pull_messages),
            "get-run": Request(GetRunRequest, SMALL, self._get_run),
            "get-fab": Request(GetFabRequest, SMALL, self._get_fab),
            "pull-object": Request(PullObjectRequest, SMALL, self._pull_object),
            "confirm-message-received": Request(
                ConfirmMessageReceivedRequest, SMALL, self._confirm
            ),
            "push-messages": Request(PushMessagesRequest, MOST_TREE_BYTES, self._push_messages),
            "push-object": Request(PushObjectRequest, MOST_OBJECT_BYTES + SMALL, self._push_object),
        }

    async def answer(self, name: str, body: bytes) -> bytes:
        """The answer to one request of the Fleet API; raises Denied."""
        found = self.requests[name]
        try:
            request = found.kind()
            request.ParseFromString(body)
        except DecodeError:
            raise Denied(400, f"{name} cannot be read") from None
        try:
            answer = await found.handle(request)
        except RunOver as error:
            raise Denied(403, str(error)) from None
        except SuperLinkRefuses as error:
            LOGGER.warning("%s: %s", name, error)
            raise Denied(error.status, str(error)) from None
        except SuperLinkAway as error:
            LOGGER.warning("%s", error)
            raise Denied(503, str(error)) from None
        return answer.SerializeToString()

    def too_large(self, name: str) -> None:
        """A request was larger than it may be: if it was of a reply, the reply is refused."""
        exchange = self._exchange
        if not exchange or not name.startswith("push-"):
            return
        if exchange.stage in (Stage.HANDED, Stage.AT_WORK):
            most = self.requests[name].most_bytes >> 10
            text = f"a reply has more than {most} KiB in one piece: {NO_ARRAYS}"
            self._refuse(exchange, Refused(text, MOD_REFUSED))

    async def close(self) -> None:
        """Answer what is not answered, and take the node off the SuperLink."""
        self._abandon("the gate was stopped")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in self._tasks:
            task.cancel()
        await self._courier.leave()

    async def _register(self, _: RegisterNodeFleetRequest) -> RegisterNodeFleetResponse:
        """The SuperNode's key does not leave: the gate has one of its own."""
        return RegisterNodeFleetResponse(node_id=await self._courier.join())

    async def _activate(self, _: ActivateNodeRequest) -> ActivateNodeResponse:
        if self._exchange and self._exchange.stage in (Stage.HANDED, Stage.AT_WORK):
            self._abandon("it was started anew")
        return ActivateNodeResponse(node_id=await self._courier.join())

    async def _deactivate(self, _: DeactivateNodeRequest) -> DeactivateNodeResponse:
        self._abandon("it was stopped")
        await self._courier.pause()
        return DeactivateNodeResponse()

    async def _unregister(self, _: UnregisterNodeFleetRequest) -> UnregisterNodeFleetResponse:
        return UnregisterNodeFleetResponse()  # the node is the gate's, until the gate ends

    async def _heartbeat(self, _: SendNodeHeartbeatRequest) -> SendNodeHeartbeatResponse:
        return SendNodeHeartbeatResponse(success=await self._courier.heartbeat())

    async def _pull_messages(self, _: PullMessagesRequest) -> PullMessagesResponse:
        end = time.monotonic() + WAIT
        async with self._pulling:
            if self._exchange and self._exchange.stage is Stage.AT_WORK:
                self._abandon("it asks for the next message")
            if self._exchange is None and not await self._next():
                return PullMessagesResponse()
            while (exchange := self._exchange) and exchange.stage is Stage.FETCHING:
                if time.monotonic() > end:
                    return PullMessagesResponse()
                await asyncio.sleep(0.05)
            if exchange is None or exchange.stage not in (Stage.READY, Stage.HANDED):
                return PullMessagesResponse()
            exchange.stage = Stage.HANDED
            return PullMessagesResponse(
                messages_list=[exchange.message], message_object_trees=[exchange.tree]
            )

    async def _next(self) -> bool:
        """Whether there is another message, which is being fetched from now on."""
        exchange = await self._courier.next_message()
        if exchange is None:
            return False
        self._exchange = exchange
        self._start(self._fetch(exchange))
        return True

    async def _fetch(self, exchange: Exchange) -> None:
        try:
            await self._courier.fetch(exchange)
        except Refused as refused:
            self._refuse(exchange, refused)
        except RunOver:
            self._end(exchange)
        except (SuperLinkAway, SuperLinkRefuses) as error:
            LOGGER.warning("message %s was not fetched: %s", exchange.message_id[:12], error)
            self._end(exchange)
        else:
            if exchange.stage is Stage.FETCHING:
                exchange.stage = Stage.READY

    async def _get_run(self, request: GetRunRequest) -> GetRunResponse:
        return GetRunResponse(run=self._at_hand(request.run_id).run)

    async def _get_fab(self, request: GetFabRequest) -> GetFabResponse:
        fab = self._at_hand(request.run_id).fab
        if fab is None or request.hash_str != fab.hash_str:
            raise Denied(403, "the gate has no such app for this run")
        return GetFabResponse(fab=fab)

    async def _pull_object(self, request: PullObjectRequest) -> PullObjectResponse:
        exchange = self._at_hand(request.run_id)
        content = exchange.kept(request.object_id)
        if content is None:
            return PullObjectResponse(object_found=False)
        if exchange.stage is Stage.HANDED:
            exchange.stage = Stage.AT_WORK
        return PullObjectResponse(object_found=True, object_available=True, object_content=content)

    async def _confirm(self, request: ConfirmMessageReceivedRequest) -> Message:
        self._at_hand(request.run_id)  # the SuperLink has had its word when the gate had it all
        return ConfirmMessageReceivedResponse()

    async def _push_messages(self, request: PushMessagesRequest) -> PushMessagesResponse:
        if len(request.messages_list) != 1 or len(request.message_object_trees) != 1:
            raise Denied(400, "push-messages must have one message with its objects")
        about, tree = request.messages_list[0].metadata, request.message_object_trees[0]
        exchange = self._at_hand(about.run_id)
        if about.reply_to_message_id != exchange.message_id:
            raise Denied(409, "this is no reply to the message that was handed to the SuperNode")
        try:
            session = exchange.expect(tree)
        except Refused as refused:
            raise self._refuse(exchange, refused) from None
        exchange.stage = Stage.AT_WORK
        return PushMessagesResponse(
            results={tree.object_id: 0}, objects_to_push=sorted(exchange.expected),
            session_id=session,
        )  # fmt: skip

    async def _push_object(self, request: PushObjectRequest) -> PushObjectResponse:
        exchange = self._at_hand(request.run_id)
        if request.session_id != exchange.session or request.object_id not in exchange.expected:
            raise Denied(409, "this is no object of the reply that is being pushed")
        try:
            check_object(request.object_id, request.object_content)
            exchange.contents[request.object_id] = request.object_content
            if exchange.contents.keys() == exchange.expected:
                found = judge(exchange.root, exchange.contents, self._listed)
                self._finish(exchange, exchange.content_reply(found))
                said = "an error" if isinstance(found, Failure) else "a reply"
                LOGGER.info("message %s: %s leaves", exchange.message_id[:12], said)
        except Refused as refused:
            raise self._refuse(exchange, refused) from None
        return PushObjectResponse(stored=True)

    def _at_hand(self, run_id: int) -> Exchange:
        """The message that the SuperNode works on, if it is of this run; raises Denied.

        403 is what a SuperNode takes for a run that is over: it lets the message be.
        """
        exchange = self._exchange
        if exchange is None or exchange.stage not in (Stage.HANDED, Stage.AT_WORK):
            raise Denied(403, "the gate has no message at the SuperNode")
        if exchange.run_id != run_id:
            raise Denied(403, "the message that the gate has at the SuperNode is of another run")
        return exchange

    def _abandon(self, why: str) -> None:
        """Tell the ServerApp that the message at hand gets no reply."""
        if self._exchange:
            text = f"the SuperNode gives no reply: {why}"
            self._refuse(self._exchange, Refused(text, CRASHED))

    def _refuse(self, exchange: Exchange, refused: Refused) -> Denied:
        """Log it and tell the ServerApp; returns what the SuperNode is answered."""
        LOGGER.warning(
            "run %s, message %s: %s", exchange.run_id, exchange.message_id[:12], refused.text
        )
        if exchange.stage is not Stage.ENDED:
            self._finish(exchange, exchange.error_reply(refused.text, refused.code))
        return Denied(422, f"the gate refuses the reply: {refused.text}")

    def _finish(self, exchange: Exchange, reply: AppMessage) -> None:
        """From here on the gate sees to it that the reply arrives, if the SuperLink is away too."""
        self._end(exchange)
        self._start(self._courier.deliver(exchange.run_id, reply))

    def _end(self, exchange: Exchange) -> None:
        exchange.close()
        if self._exchange is exchange:
            self._exchange = None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
