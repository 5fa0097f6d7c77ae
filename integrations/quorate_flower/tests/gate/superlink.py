# SPDX-License-Identifier: Apache-2.0
"""A SuperLink that says what a test tells it to, and keeps every request."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from flwr.app import Error, Message, RecordDict
from flwr.common.serde import message_from_proto
from flwr.proto.fab_pb2 import GetFabRequest, GetFabResponse
from flwr.proto.fleet_pb2 import (
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
    PushMessagesResponse,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ObjectTree,
    PullObjectRequest,
    PullObjectResponse,
    PushObjectRequest,
)
from flwr.proto.run_pb2 import GetRunRequest, GetRunResponse
from quorate_flower.gate.courier import Courier
from quorate_flower.gate.gate import Gate

from tests.gate.replies import APP, LISTED, NODE, RUN, Pushed, fab, instruction, pushed, reply, run


class ScriptedSuperLink:
    """Has one message, and takes replies. ``said``: all that the gate has sent, in bytes."""

    def __init__(self, *messages: Message) -> None:
        self.messages = [pushed(message) for message in messages or (instruction(),)]
        self.objects = {k: v for message in self.messages for k, v in message.objects.items()}
        self.run, self.fab = run(), fab()
        self.said: list[Any] = []
        self.replies: list[Message] = []
        self.failing: Callable[[str], Exception | None] = lambda name: None
        self.is_known, self.node_id = True, NODE
        self._wanted: dict[str, str] = {}

    def asked(self, name: str) -> list[Any]:
        """The requests of that kind."""
        return [request for kind, request in self.said if kind == name]

    def bytes_said(self) -> bytes:
        """Everything that has left."""
        return b"".join(
            request if isinstance(request, bytes) else request.SerializeToString()
            for _, request in self.said
        )

    def _ask(self, name: str, request: Any) -> None:
        self.said.append((name, request))
        if error := self.failing(name):
            raise error

    async def register(self) -> int:
        self._ask("register", b"")
        return self.node_id

    async def activate(self) -> int:
        self._ask("activate", b"")
        return self.node_id

    async def deactivate(self, node_id: int) -> None:
        self._ask("deactivate", b"")

    async def unregister(self, node_id: int) -> None:
        self._ask("unregister", b"")

    async def close(self) -> None:
        pass

    async def heartbeat(self, request: SendNodeHeartbeatRequest) -> bool:
        self._ask("heartbeat", request)
        return self.is_known

    async def pull_messages(self, request: PullMessagesRequest) -> PullMessagesResponse:
        self._ask("pull_messages", request)
        if not self.messages:
            return PullMessagesResponse()
        message = self.messages.pop(0)
        return PullMessagesResponse(
            messages_list=[message.message], message_object_trees=[message.tree]
        )

    async def get_run(self, request: GetRunRequest) -> GetRunResponse:
        self._ask("get_run", request)
        return GetRunResponse(run=self.run)

    async def get_fab(self, request: GetFabRequest) -> GetFabResponse:
        self._ask("get_fab", request)
        return GetFabResponse(fab=self.fab)

    async def pull_object(self, request: PullObjectRequest) -> PullObjectResponse:
        self._ask("pull_object", request)
        content = self.objects.get(request.object_id)
        return PullObjectResponse(
            object_found=content is not None,
            object_available=bool(content),
            object_content=content or b"",
        )

    async def confirm(self, request: ConfirmMessageReceivedRequest) -> None:
        self._ask("confirm", request)

    async def push_messages(self, request: PushMessagesRequest) -> PushMessagesResponse:
        self._ask("push_messages", request)
        (tree,) = request.message_object_trees
        self._wanted = dict.fromkeys(_ids(tree), "session")
        if request.messages_list[0].HasField("error"):
            self.replies.append(message_from_proto(request.messages_list[0]))
        return PushMessagesResponse(objects_to_push=list(self._wanted), session_id="session")

    async def push_object(self, request: PushObjectRequest) -> bool:
        self._ask("push_object", request)
        assert hashlib.sha256(request.object_content).hexdigest() == request.object_id
        assert self._wanted.pop(request.object_id) == request.session_id
        return True


def _ids(tree: ObjectTree) -> list[str]:
    return [tree.object_id, *(one for child in tree.children for one in _ids(child))]


class Door:
    """A gate before such a SuperLink, and a SuperNode's side of it."""

    def __init__(self, superlink: ScriptedSuperLink, apps: frozenset[str] = frozenset({APP})):
        self.superlink = superlink
        self.gate = Gate(Courier(superlink, apps, True), LISTED)  # type: ignore[arg-type]

    async def ask(self, name: str, request: Any, kind: Any) -> Any:
        """The answer to a request, read."""
        return kind.FromString(await self.gate.answer(name, request.SerializeToString()))

    async def pull(self) -> PullMessagesResponse:
        """What a SuperNode's pull gives."""
        answer = await self.ask("pull-messages", PullMessagesRequest(), PullMessagesResponse)
        assert isinstance(answer, PullMessagesResponse)
        return answer

    async def work(self) -> Pushed:
        """Pull the message with its run, its app and its objects."""
        found = await self.pull()
        message, tree = found.messages_list[0], found.message_object_trees[0]
        run_id = message.metadata.run_id
        of_run = await self.ask("get-run", GetRunRequest(run_id=run_id), GetRunResponse)
        wanted = GetFabRequest(run_id=run_id, hash_str=of_run.run.fab_hash)
        await self.ask("get-fab", wanted, GetFabResponse)
        objects = {}
        for name in _ids(tree):
            request = PullObjectRequest(run_id=run_id, object_id=name)
            objects[name] = (
                await self.ask("pull-object", request, PullObjectResponse)
            ).object_content
        return Pushed(message, tree, objects)

    async def push(self, reply: Pushed) -> None:
        """Push a reply as a SuperNode does."""
        request = reply.request()
        answer = await self.ask("push-messages", request, PushMessagesResponse)
        for name in answer.objects_to_push:
            await self.push_object(reply, name, answer.session_id)

    async def push_object(self, reply: Pushed, name: str, session: str) -> None:
        """Push one object of it."""
        request = PushObjectRequest(
            run_id=reply.message.metadata.run_id, session_id=session, object_id=name,
            object_content=reply.objects[name],
        )  # fmt: skip
        await self.gate.answer("push-object", request.SerializeToString())

    async def settle(self) -> None:
        """Let what the gate does by itself be done."""
        for _ in range(100):
            await asyncio.sleep(0)


def scene(play: Callable[[Door], Awaitable[None]], *messages: Message) -> ScriptedSuperLink:
    """Play it with a SuperLink that has these messages; returns that."""
    superlink = ScriptedSuperLink(*messages)

    async def played() -> None:
        door = Door(superlink)
        await door.gate.answer("activate-node", b"")
        await play(door)
        await door.settle()

    asyncio.run(played())
    return superlink


def answer_to(work: Pushed, content: RecordDict | Error) -> Pushed:
    """A reply to what was pulled."""
    return reply(content, message_from_proto(work.message))


def error_of(superlink: ScriptedSuperLink) -> str:
    """The reason of the one error that the ServerApp was told."""
    (told,) = superlink.replies
    assert told.metadata.run_id == RUN
    assert told.metadata.dst_node_id == 1
    return str(told.error.reason)
