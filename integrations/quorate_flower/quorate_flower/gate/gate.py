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
from flwr.app import RecordDict
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
from quorate_flower.gate.errand import BAD_MESSAGE, Errand, Stage
from quorate_flower.gate.errors import Refused, RunOver, SuperLinkAway, SuperLinkRefuses
from quorate_flower.gate.reply import (
    MOD_REFUSED,
    MOST_OBJECT_BYTES,
    NO_ARRAYS,
    RECEIPT,
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
        self._errand: Errand | None = None
        self._studies: dict[int, str] = {}  # by the id of the run
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
        errand = self._errand
        if not errand or not name.startswith("push-"):
            return
        if errand.stage in (Stage.HANDED, Stage.AT_WORK):
            most = self.requests[name].most_bytes >> 10
            text = f"a reply has more than {most} KiB in one piece: {NO_ARRAYS}"
            self._refuse(errand, Refused(text, MOD_REFUSED))

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
        if self._errand and self._errand.stage in (Stage.HANDED, Stage.AT_WORK):
            self._abandon("it was started anew")
        return ActivateNodeResponse(node_id=await self._courier.join())

    async def _deactivate(self, _: DeactivateNodeRequest) -> DeactivateNodeResponse:
        self._abandon("it was stopped")
        await self._courier.pause()
        return DeactivateNodeResponse()

    async def _unregister(self, _: UnregisterNodeFleetRequest) -> UnregisterNodeFleetResponse:
        return UnregisterNodeFleetResponse()  # the node is the gate's, until the gate ends

    async def _heartbeat(self, _: SendNodeHeartbeatRequest) -> SendNodeHeartbeatResponse:
        await self._courier.heartbeat()
        return SendNodeHeartbeatResponse(success=True)

    async def _pull_messages(self, _: PullMessagesRequest) -> PullMessagesResponse:
        end = time.monotonic() + WAIT
        async with self._pulling:
            if self._errand and (self._errand.stage is Stage.AT_WORK or self._errand.is_unwanted):
                self._abandon("it asks for the next message")
            if self._errand is None and not await self._next():
                return PullMessagesResponse()
            while (errand := self._errand) and errand.stage is Stage.FETCHING:
                if time.monotonic() > end:
                    return PullMessagesResponse()
                await asyncio.sleep(0.05)
            if errand is None or errand.stage not in (Stage.READY, Stage.HANDED):
                return PullMessagesResponse()
            errand.hand()
            return PullMessagesResponse(
                messages_list=[errand.message], message_object_trees=[errand.tree]
            )

    async def _next(self) -> bool:
        """Whether there is another message, which is being fetched from now on."""
        errand = await self._courier.next_message()
        if errand is None:
            return False
        self._errand = errand
        self._start(self._fetch(errand))
        return True

    async def _fetch(self, errand: Errand) -> None:
        try:
            await self._courier.fetch(errand)
        except Refused as refused:
            self._refuse(errand, refused)
        except RunOver:
            self._end(errand)
        except (SuperLinkAway, SuperLinkRefuses) as error:
            LOGGER.warning("message %s: %s", errand.message_id[:12], error)
            text = "the gate could not fetch the whole message from the SuperLink"
            self._refuse(errand, Refused(text, BAD_MESSAGE))
        else:
            if errand.stage is Stage.FETCHING:
                errand.stage = Stage.READY

    async def _get_run(self, request: GetRunRequest) -> GetRunResponse:
        return GetRunResponse(run=self._at_hand(request.run_id).run)

    async def _get_fab(self, request: GetFabRequest) -> GetFabResponse:
        fab = self._at_hand(request.run_id).fab
        if fab is None or request.hash_str != fab.hash_str:
            raise Denied(403, "the gate has no such app for this run")
        return GetFabResponse(fab=fab)

    async def _pull_object(self, request: PullObjectRequest) -> PullObjectResponse:
        errand = self._at_hand(request.run_id)
        content = errand.kept(request.object_id)
        if content is None:
            return PullObjectResponse(object_found=False)
        if errand.stage is Stage.HANDED:
            errand.stage = Stage.AT_WORK
        return PullObjectResponse(object_found=True, object_available=True, object_content=content)

    async def _confirm(self, request: ConfirmMessageReceivedRequest) -> Message:
        self._at_hand(request.run_id)  # the SuperLink has had its word when the gate had it all
        return ConfirmMessageReceivedResponse()

    async def _push_messages(self, request: PushMessagesRequest) -> PushMessagesResponse:
        if len(request.messages_list) != 1 or len(request.message_object_trees) != 1:
            raise Denied(400, "push-messages must have one message with its objects")
        about, tree = request.messages_list[0].metadata, request.message_object_trees[0]
        errand = self._at_hand(about.run_id)
        if about.reply_to_message_id != errand.message_id:
            raise Denied(409, "this is no reply to the message that was handed to the SuperNode")
        try:
            session = errand.expect(tree)
        except Refused as refused:
            raise self._refuse(errand, refused) from None
        errand.stage = Stage.AT_WORK
        return PushMessagesResponse(
            results={tree.object_id: 0}, objects_to_push=sorted(errand.expected),
            session_id=session,
        )  # fmt: skip

    async def _push_object(self, request: PushObjectRequest) -> PushObjectResponse:
        errand = self._at_hand(request.run_id)
        if request.session_id != errand.session or request.object_id not in errand.expected:
            raise Denied(409, "this is no object of the reply that is being pushed")
        try:
            check_object(request.object_id, request.object_content)
            errand.contents[request.object_id] = request.object_content
            if errand.contents.keys() == errand.expected:
                found = judge(errand.root, errand.contents, self._listed)
                self._require_one_study(errand.run_id, found)
                self._finish(errand, errand.content_reply(found))
                said = "an error" if isinstance(found, Failure) else "a reply"
                LOGGER.info("message %s: %s leaves", errand.message_id[:12], said)
        except Refused as refused:
            raise self._refuse(errand, refused) from None
        return PushObjectResponse(stored=True)

    def _require_one_study(self, run_id: int, found: RecordDict | Failure) -> None:
        """Raise Refused if a receipt names another study than an earlier one of the run."""
        if isinstance(found, Failure) or RECEIPT not in found.config_records:
            return
        if not (study := str(found.config_records[RECEIPT]["study"])):
            return  # before the first round
        if self._studies.setdefault(run_id, study) != study:
            raise Refused("a receipt names another study than the run's others", MOD_REFUSED)

    def _at_hand(self, run_id: int) -> Errand:
        """The message that the SuperNode works on, if it is of this run; raises Denied.

        403 is what a SuperNode takes for a run that is over: it lets the message be.
        """
        errand = self._errand
        if errand is None or errand.stage not in (Stage.HANDED, Stage.AT_WORK):
            raise Denied(403, "the gate has no message at the SuperNode")
        if errand.run_id != run_id:
            raise Denied(403, "the message that the gate has at the SuperNode is of another run")
        return errand

    def _abandon(self, why: str) -> None:
        """Tell the ServerApp that the message at hand gets no reply."""
        if self._errand:
            text = f"the SuperNode gives no reply: {why}"
            self._refuse(self._errand, Refused(text, CRASHED))

    def _refuse(self, errand: Errand, refused: Refused) -> Denied:
        """Log it and tell the ServerApp; returns what the SuperNode is answered."""
        LOGGER.warning(
            "run %s, message %s: %s", errand.run_id, errand.message_id[:12], refused.text
        )
        if errand.stage is not Stage.ENDED:
            self._finish(errand, errand.error_reply(refused.text, refused.code))
        return Denied(422, f"the gate refuses the reply: {refused.text}")

    def _finish(self, errand: Errand, reply: AppMessage) -> None:
        """From here on the gate sees to it that the reply arrives, if the SuperLink is away too."""
        self._end(errand)
        self._start(self._courier.deliver(errand.run_id, reply))

    def _end(self, errand: Errand) -> None:
        errand.close()
        if self._errand is errand:
            self._errand = None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
