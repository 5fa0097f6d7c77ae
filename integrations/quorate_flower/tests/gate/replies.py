# SPDX-License-Identifier: Apache-2.0
"""Messages and replies as Flower makes them, and what is wrong with some of them."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.app.message.message import make_message, remove_content_from_message
from flwr.app.metadata import Metadata
from flwr.common.serde import message_to_proto
from flwr.proto.fab_pb2 import Fab
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.run_pb2 import Run
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree

RUN, NODE = 77, 4242
LISTED = frozenset({"train_loss", "loss"})
BUNDLE = b"a bundle that the hospital has reviewed"
APP = hashlib.sha256(BUNDLE).hexdigest()
PATIENT = "Erika Mustermann"


@dataclass(frozen=True)
class Pushed:
    """A message as it is pushed or pulled: itself, the tree of its objects, and these by id."""

    message: ProtoMessage
    tree: ObjectTree
    objects: dict[str, bytes]

    @property
    def root(self) -> str:
        """The id of the message."""
        return self.tree.object_id

    def request(self) -> PushMessagesRequest:
        """As a SuperNode announces it."""
        return PushMessagesRequest(messages_list=[self.message], message_object_trees=[self.tree])


def pushed(message: Message) -> Pushed:
    """A message as a SuperNode or a SuperLink has it."""
    message.metadata.__dict__["_message_id"] = message.object_id
    objects = {name: found.deflate() for name, found in get_all_nested_objects(message).items()}
    proto = message_to_proto(remove_content_from_message(message))
    return Pushed(proto, get_object_tree(message), objects)


def instruction(run_id: int = RUN, node_id: int = NODE, size: int = 100) -> Message:
    """A message of a ServerApp with a model of ``size`` numbers."""
    about = Metadata(
        run_id=run_id, message_id="", src_node_id=1, dst_node_id=node_id, reply_to_message_id="",
        group_id="1", created_at=time.time(), ttl=3600.0, message_type="train",
    )  # fmt: skip
    content = RecordDict({"arrays": ArrayRecord([np.arange(float(size))])})
    message = make_message(metadata=about, content=content)
    message.metadata.__dict__["_message_id"] = message.object_id
    return message


def reply(content: RecordDict | Error, to: Message | None = None) -> Pushed:
    """A reply as a SuperNode pushes it."""
    return pushed(Message(content, reply_to=to or instruction()))


def receipt(**change: Any) -> ConfigRecord:
    """What quorate_mod says in place of a model."""
    fields: dict[str, Any] = {
        "study": "cardio", "round": 3, "model": "ab" * 32, "contributors": 3, "in_sum": True,
        "outcome": "applied",
    }  # fmt: skip
    return ConfigRecord(fields | change)


def good(**records: Any) -> RecordDict:
    """What quorate_mod lets an app say, and more."""
    metrics = MetricRecord({"num-examples": 1, "train_loss": 0.25})
    return RecordDict({"metrics": metrics, "quorate": receipt(), **records})


def made(kind: str, children: Sequence[str], body: bytes) -> tuple[str, bytes]:
    """An object with its id, as a program could make it that does not use Flower."""
    content = f"{kind} {','.join(children)} {len(body)}".encode() + b"\0" + body
    return hashlib.sha256(content).hexdigest(), content


def assembled(records: Mapping[str, tuple[str, bytes]], names: bytes = b"") -> Pushed:
    """A reply of such objects."""
    ids = [name for name, _ in records.values()]
    refs = names or json.dumps({name: one for name, (one, _) in records.items()}).encode()
    inner, inner_content = made("RecordDict", ids, refs)
    message = pushed(Message(RecordDict(), reply_to=instruction()))
    body = message.objects[message.root].partition(b"\0")[2]
    root, root_content = made("Message", [inner], body)
    proto = ProtoMessage()
    proto.CopyFrom(message.message)
    proto.metadata.message_id = root
    tree = ObjectTree(
        object_id=root,
        children=[ObjectTree(object_id=inner, children=[ObjectTree(object_id=i) for i in ids])],
    )
    objects = {root: root_content, inner: inner_content, **dict(records.values())}
    return Pushed(proto, tree, objects)


def run(**facts: Any) -> Run:
    """The run of the messages, as a SuperLink describes it."""
    known: dict[str, Any] = {
        "run_id": RUN, "fab_hash": APP, "primary_task_type": "flwr-serverapp",
    }  # fmt: skip
    return Run(**known | facts)


def fab(content: bytes = BUNDLE) -> Fab:
    """The app of the run."""
    return Fab(hash_str=hashlib.sha256(content).hexdigest(), content=content)
