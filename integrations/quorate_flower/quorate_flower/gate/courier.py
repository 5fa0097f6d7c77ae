# SPDX-License-Identifier: Apache-2.0
"""The gate's ways to the SuperLink: what is fetched, and what is sent.

Nothing that the SuperNode chooses is in a request, but the records of a reply that
``quorate_flower.gate.reply`` has built. When the SuperNode asks tells the SuperLink little, as the
gate asks no more than once in ``LEAST`` seconds.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flwr.app import Message as AppMessage
from flwr.app.message.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.fab_pb2 import Fab, GetFabRequest
from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest, Run
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree

from quorate_flower.gate.bundle import judge_fab, judge_run
from quorate_flower.gate.errand import Errand, Stage
from quorate_flower.gate.errors import GateError, Refused, RunOver, SuperLinkAway, SuperLinkRefuses
from quorate_flower.gate.superlink import HEARTBEAT, SuperLink

LOGGER = logging.getLogger("quorate.gate")
LEAST = 1.0  # seconds between two pulls, and ten times that between two heartbeats
GIVE_UP = 600.0  # seconds for which a request is made again while the SuperLink is away
UNAVAILABLE = 120.0  # seconds for which an object may be on its way to the SuperLink
T = TypeVar("T")


class Courier:
    """Goes to one SuperLink, as one node. ``apps``: SHA-256 of the bundles that may come in."""

    def __init__(self, superlink: SuperLink, apps: frozenset[str], registers: bool) -> None:
        """registers: whether the node registers itself, as one without a known key does."""
        self._superlink, self._apps, self._registers = superlink, apps, registers
        self._node_id = 0
        self._run: tuple[Run, Fab] | None = None
        self._pulled = self._beaten = -60.0  # long ago, by the monotonic clock
        self._joining = asyncio.Lock()

    async def join(self) -> int:
        """Bring the gate's node online, if it is not; returns its id."""
        async with self._joining:
            if not self._node_id or not await self._beat():
                if self._registers:  # for the first time, or a SuperLink that has forgotten it
                    await self._register()
                self._node_id = await self._superlink.activate()
            return self._node_id

    async def _register(self) -> None:
        try:
            await self._superlink.register()
        except SuperLinkRefuses as error:
            remedy = "if it authenticates SuperNodes, give --private-key"
            raise SuperLinkRefuses(error.status, f"{error}: {remedy}") from None

    async def pause(self) -> None:
        """Take the node offline."""
        if self._node_id:
            await self._superlink.deactivate(self._node_id)

    async def leave(self) -> None:
        """Take the node off the SuperLink, if that is reached."""
        with contextlib.suppress(GateError, TimeoutError):
            async with asyncio.timeout(5):
                await self.pause()
                if self._registers and self._node_id:
                    await self._superlink.unregister(self._node_id)
        await self._superlink.close()

    async def heartbeat(self) -> None:
        """Keep the node online; after a SuperLink was started anew, it is a new one."""
        if time.monotonic() - self._beaten >= 10 * LEAST:
            await self.join()

    async def _beat(self) -> bool:
        request = SendNodeHeartbeatRequest(node=self._node(), heartbeat_interval=HEARTBEAT)
        is_known = await self._superlink.heartbeat(request)
        self._beaten = time.monotonic()
        return is_known

    async def next_message(self) -> Errand | None:
        """A message that the SuperLink has for the node, still without its objects."""
        if time.monotonic() - self._pulled < LEAST:
            return None
        self._pulled = time.monotonic()
        if not self._node_id:
            await self.join()  # the gate was started anew, and the SuperNode was not
        found = await self._superlink.pull_messages(PullMessagesRequest(node=self._node()))
        if not found.messages_list or not found.message_object_trees:
            return None
        message, tree = found.messages_list[0], found.message_object_trees[0]
        try:
            return Errand.of(message, tree, self._node_id)
        except Refused as refused:
            LOGGER.warning("a message of the SuperLink is refused: %s", refused.text)
            return None

    async def fetch(self, errand: Errand) -> None:
        """The run, the app and every object of a message. Raises Refused, RunOver."""
        errand.run, errand.fab = await self._app(errand.run_id)
        for object_id in errand.object_ids():
            content = await self._object(errand.run_id, object_id)
            if errand.stage is not Stage.FETCHING:
                return
            errand.keep(object_id, content)
        request = ConfirmMessageReceivedRequest(
            node=self._node(), run_id=errand.run_id, message_object_id=errand.message_id
        )
        await _patiently(lambda: self._superlink.confirm(request))

    async def _app(self, run_id: int) -> tuple[Run, Fab]:
        if self._run is None or self._run[0].run_id != run_id:
            asked = GetRunRequest(node=self._node(), run_id=run_id)
            run = (await _patiently(lambda: self._superlink.get_run(asked))).run
            judge_run(run, run_id, self._apps)
            wanted = GetFabRequest(node=self._node(), hash_str=run.fab_hash, run_id=run_id)
            fab = (await _patiently(lambda: self._superlink.get_fab(wanted))).fab
            self._run = run, judge_fab(fab, run, self._apps)
            LOGGER.info("run %s: app %s is let in", run_id, run.fab_hash)
        return self._run

    async def _object(self, run_id: int, object_id: str) -> bytes:
        request = PullObjectRequest(node=self._node(), run_id=run_id, object_id=object_id)
        end = time.monotonic() + UNAVAILABLE
        while True:
            found = await _patiently(lambda: self._superlink.pull_object(request))
            if found.object_found and found.object_available:
                return bytes(found.object_content)
            if not found.object_found or time.monotonic() > end:
                raise SuperLinkAway("the SuperLink has no such object of the message")
            await asyncio.sleep(0.5)

    async def deliver(self, run_id: int, reply: AppMessage) -> None:
        """Push a reply with its objects, as a SuperNode does; tried again for ten minutes."""
        try:
            await _patiently(lambda: self._push(run_id, reply))
        except RunOver:
            LOGGER.info("run %s: it was over before the reply", run_id)
        except GateError as error:
            LOGGER.warning("run %s: a reply has not arrived: %s", run_id, error)

    async def _push(self, run_id: int, reply: AppMessage) -> None:
        node = self._node()
        request = PushMessagesRequest(
            node=node,
            messages_list=[message_to_proto(remove_content_from_message(reply))],
            message_object_trees=[get_object_tree(reply)],
        )
        answer = await self._superlink.push_messages(request)
        objects = {name: found.deflate() for name, found in get_all_nested_objects(reply).items()}
        for name in objects.keys() & set(answer.objects_to_push):
            pushed = PushObjectRequest(
                node=node,
                run_id=run_id,
                object_id=name,
                object_content=objects[name],
                session_id=answer.session_id,
            )
            if not await self._superlink.push_object(pushed):
                raise SuperLinkAway("the SuperLink has not stored an object of a reply")

    def _node(self) -> Node:
        return Node(node_id=self._node_id)


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Its result, tried again while the SuperLink is away."""
    end, pause = time.monotonic() + GIVE_UP, 1.0
    while True:
        try:
            return await ask()
        except SuperLinkAway:
            if time.monotonic() + pause > end:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, 30.0)
