# SPDX-License-Identifier: Apache-2.0
"""One message of the ServerApp: fetched whole, handed to the SuperNode, answered once."""

import hashlib
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from flwr.app import Error, RecordDict
from flwr.app import Message as AppMessage
from flwr.common.serde import message_from_proto
from flwr.proto.fab_pb2 import Fab
from flwr.proto.message_pb2 import Message, ObjectTree
from flwr.proto.run_pb2 import Run

from quorate_flower.gate.errors import Refused
from quorate_flower.gate.reply import CODES, Failure, is_object_id, object_ids

MOST_BYTES = 1 << 30  # of all objects of a message
MOST_OBJECTS = 1 << 16
MOST_HANDED = 3
BAD_MESSAGE = 3  # Flower's code for a message that is not available


class Stage(Enum):
    """Where an errand stands."""

    FETCHING = auto()  # from the SuperLink
    READY = auto()  # for the SuperNode to pull
    HANDED = auto()  # and nothing of it was pulled yet
    AT_WORK = auto()  # the SuperNode has its objects
    ENDED = auto()  # its reply is on its way, or it gets none


@dataclass
class Errand:
    """A message of the ServerApp and what came of it. ``folder`` holds its objects, by id."""

    message: Message
    tree: ObjectTree
    folder: tempfile.TemporaryDirectory[str]
    stage: Stage = Stage.FETCHING
    run: Run | None = None
    fab: Fab | None = None
    session: str = ""
    root: str = ""
    expected: frozenset[str] = frozenset()
    contents: dict[str, bytes] = field(default_factory=dict)
    _bytes: int = 0
    _handed: int = 0

    @classmethod
    def of(cls, message: Message, tree: ObjectTree, node_id: int) -> "Errand":
        """Raise Refused, if this is no message to the node."""
        ids = set(_ids(tree))
        about = message.metadata
        if about.dst_node_id != node_id or about.reply_to_message_id:
            raise Refused("the message is not one to this SuperNode", BAD_MESSAGE)
        if about.message_id != tree.object_id or not all(map(is_object_id, ids)):
            raise Refused("the message names its objects wrongly", BAD_MESSAGE)
        if len(ids) > MOST_OBJECTS:
            raise Refused(f"the message has more than {MOST_OBJECTS} objects", BAD_MESSAGE)
        bare = Message(metadata=about)  # the rest is in the objects
        bare.content.SetInParent()
        try:
            return cls(bare, tree, tempfile.TemporaryDirectory(prefix="quorate-gate-"))
        except OSError as error:
            raise _unstored(error) from None

    @property
    def run_id(self) -> int:
        """Of the message's run."""
        return self.message.metadata.run_id

    @property
    def message_id(self) -> str:
        """SHA-256 of the message."""
        return self.message.metadata.message_id

    def object_ids(self) -> list[str]:
        """Each once, children before their parents."""
        return list(dict.fromkeys(_ids(self.tree)))

    def keep(self, object_id: str, content: bytes) -> None:
        """Store an object of the message; raises Refused if it is another, or is too much."""
        self._bytes += len(content)
        if self._bytes > MOST_BYTES:
            raise Refused(f"the message has more than {MOST_BYTES >> 20} MiB", BAD_MESSAGE)
        if hashlib.sha256(content).hexdigest() != object_id:
            raise Refused("an object of the message is not the one that is named", BAD_MESSAGE)
        try:
            (Path(self.folder.name) / object_id).write_bytes(content)
        except OSError as error:
            raise _unstored(error) from None

    def kept(self, object_id: str) -> bytes | None:
        """An object of the message, None if it has no such object."""
        if not is_object_id(object_id):
            return None
        try:
            return (Path(self.folder.name) / object_id).read_bytes()
        except OSError:
            return None

    @property
    def is_unwanted(self) -> bool:
        """Whether it was handed out often enough, and nothing of it was pulled."""
        return self.stage is Stage.HANDED and self._handed >= MOST_HANDED

    def hand(self) -> None:
        """Give it to the SuperNode, once more if the answer may have been lost."""
        self.stage = Stage.HANDED
        self._handed += 1

    def expect(self, tree: ObjectTree) -> str:
        """Begin to take a reply with these objects; returns its session. Raises Refused."""
        self.expected, self.contents, self.root = object_ids(tree), {}, tree.object_id
        self.session = secrets.token_hex(16)
        return self.session

    def content_reply(self, found: RecordDict | Failure) -> AppMessage:
        """The reply that the SuperLink gets: made here, from what the gate lets out."""
        if isinstance(found, Failure):
            return self.error_reply(found.text, found.code)
        return _named(AppMessage(found, reply_to=message_from_proto(self.message)))

    def error_reply(self, text: str, code: int) -> AppMessage:
        """An error in Flower's form, for the ServerApp."""
        error = Error(code if code in CODES else 0, f"quorate gate: {text}")
        return _named(AppMessage(error, reply_to=message_from_proto(self.message)))

    def close(self) -> None:
        """Delete the objects."""
        self.stage = Stage.ENDED
        self.contents = {}
        self.folder.cleanup()


def _unstored(error: OSError) -> Refused:
    return Refused(f"the gate's computer cannot store the message ({error.strerror})", BAD_MESSAGE)


def _named(message: AppMessage) -> AppMessage:
    message.metadata.__dict__["_message_id"] = message.object_id
    return message


def _ids(tree: ObjectTree) -> Iterator[str]:
    for child in tree.children:
        yield from _ids(child)
    yield tree.object_id
