"""The two ends of the link: an aggregator and a hostile member, an agent and a hostile aggregator.

An input is a list of frames. What a forger cannot make, its input need not have: posts are signed
with their sender's key before they are sent, and whatever a post or an entry has to say about what
came before is filled in where the input has left it empty.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from aggregator.server.service import Aggregator
from aggregator.status.text import render
from aggregator.store.blobs import MAX_INCOMPLETE
from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.errors import DamagedBlob, IdentityInUse, RejectedByAggregator
from protocol.board import board as board_module
from protocol.board import post as post_module
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.board.post import Entry, Post, Posted
from protocol.encoding import digest, encode
from protocol.errors import BadEntry, BadSignature, Fork, Malformed
from protocol.messages.attachment import attach, blob_name
from protocol.messages.ceremony import Step
from protocol.messages.rounds import Contribution, Statement
from protocol.messages.session import round_session
from protocol.signing import public_bytes
from protocol.wire.frames import (
    MAX_FRAME_BYTES,
    Accepted,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    Declined,
    FromAggregator,
    Rejected,
    StatusRequest,
    Subscribe,
    TicketRequest,
    Welcome,
    decode_from_aggregator,
    decode_from_member,
)
from tests.fuzz.codecs import tree_of
from tests.fuzz.target import Case, target
from tests.fuzz.targets.frames import FEDERATION, TERMS, bodies, check_body, post_of
from tests.fuzz.targets.texts import scratch
from tests.simulator.disk import Disk
from tests.stage.desk import Desk
from tests.stage.studies import STUDY

MEMBER = 2
_FIELDS = len(Post.__struct_fields__)
_MAX_FRAMES = 12
_COURSE = 32  # inputs that change something, before all begins anew
TRAINING = round_session(STUDY, 1)
SMALL = b"small blob"
UNSAYABLE = (TypeError, msgspec.MsgspecError, OverflowError, RecursionError)


class _QuickSignatures:
    """Stands for Ed25519, which would take most of the time: a hash that anyone can make."""

    def __init__(self) -> None:
        self._public: dict[int, tuple[Any, bytes]] = {}  # by id, with the key that has it

    def sign(self, key: Any, domain: str, *parts: bytes) -> bytes:
        if id(key) not in self._public:
            self._public[id(key)] = key, public_bytes(key)
        return self._made(self._public[id(key)][1], domain, parts)

    def verify(self, public: bytes, signature: bytes, sender: int, domain: str, *parts: bytes):
        if self._made(public, domain, parts) != signature:
            raise BadSignature(sender, domain)

    @contextmanager
    def instead(self) -> Iterator[None]:
        signed = mock.patch.object(post_module, "sign", self.sign)
        verified = mock.patch.object(board_module, "verify", self.verify)
        with signed, verified:
            yield

    def _made(self, public: bytes, domain: str, parts: tuple[bytes, ...]) -> bytes:
        return hashlib.sha512(public + digest(domain, *parts)).digest()


QUICK = _QuickSignatures()


def report_of_a_round() -> bytes:
    """A status report of a federation with a ceremony and an open round."""
    desk = Desk(scratch())
    desk.open_training()
    desk.contribute(1, TRAINING)
    report = desk.service.status({1: "2026-11-26T00:00:00+00:00"})
    desk.service.close()
    return msgspec.json.encode(report)


def signed(post: Any, board: Board, keys: Any) -> list[bytes]:
    """A post as the tree of an input has it, filled in and signed, as the tree of a SignedPost."""
    if isinstance(post, list) and len(post) == _FIELDS:
        head = board.head
        sender = post[2] if type(post[2]) is int and 0 <= post[2] < len(keys) else 0
        if post[0] == b"":
            post[0] = TERMS.federation
        if post[5] == b"":
            post[4], post[5] = head.position, head.hash
        if post[3] is None:
            post[3] = board.count(post[1], sender) if isinstance(post[1], str) else 0
    else:
        sender = 0
    data = msgspec.msgpack.encode(post)
    return [data, post_module.sign(keys[sender], "quorate/post signature", data)]


def template(post: Post) -> list[Any]:
    """A post that says nothing about where it belongs on the board."""
    tree = msgspec.msgpack.decode(encode(post))
    tree[0], tree[3], tree[4], tree[5] = b"", None, 0, b""
    return list(tree)


def frames_of(data: bytes) -> list[Any]:
    """The frames of an input, as trees; none if it is no list."""
    found = tree_of(data)
    return found[:_MAX_FRAMES] if isinstance(found, list) else []


# ── the board alone ──


@target("board", "protocol.board.board.Board.append, a course of entries", limit=8_192)
def board() -> Case:
    @QUICK.instead()
    def run(data: bytes) -> None:
        found = Board(TERMS)
        for post in frames_of(data):
            head, known = found.head, len(found.entries)
            try:
                pair = signed(post, found, FEDERATION.keys)
            except UNSAYABLE:
                continue
            tree = [known + 1, head.hash, 1_000, pair]
            entry = msgspec.convert(tree, Entry) if len(pair[0]) <= 1 << 18 else None
            if entry is None:
                continue
            with suppress(Fork, BadEntry):
                posted = found.append(entry)
                assert found.head.position == posted.position == known + 1
                check_body(posted.post.body)
                assert posted.post.sender <= TERMS.n_members
                continue
            assert (found.head, len(found.entries)) == (head, known)

    posts = [template(post_of(*said)) for said in bodies()]
    return Case(run, [encode([post]) for post in posts] + [encode(posts[:4]), encode(posts[5:])])


# ── the aggregator ──


class _Service:
    """An aggregator with a key, a training round and a statistic, and what was done to it since."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._kept = folder / "board", folder / "kept"
        desk = Desk(self._kept)
        desk.open_training()
        desk.open_statistic()
        desk.contribute(1, TRAINING)
        desk.state(TRAINING, [1], clip=0.25)
        self.blob = bytes(5_000)
        desk.upload(1, self.blob)
        self.payload = desk.payload(TRAINING, MEMBER)
        desk.service.close()
        self._federation = desk.federation
        self.opened = self._fresh()

    def _fresh(self) -> Aggregator:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._kept, self._folder)
        terms, key = self._federation.terms, self._federation.keys[0]
        self.service = Aggregator(terms, key, self._folder, lambda: 2_000_000)
        self.changes: list[bytes] = []
        return self.service

    def renew(self) -> None:
        """Begin again from how it was."""
        self.service.close()
        self._fresh()

    def hear(self, data: bytes) -> None:
        """Take an input's frames."""
        before = self._state()
        for tree in frames_of(data):
            try:
                frame = decode_from_member(self._said(tree))
            except (Malformed, *UNSAYABLE):
                continue
            for answer in self.service.receive(MEMBER, frame):
                assert len(encode(answer)) <= MAX_FRAME_BYTES
        while self.service.tick():
            pass
        if self._state() != before:
            self.changes.append(data)

    def check(self) -> None:
        """A member takes no more room than it may, and people can be told how things stand."""
        assert len(list((self._folder / "incoming").iterdir())) <= MAX_INCOMPLETE
        encoded = msgspec.json.encode(self.service.status({MEMBER: "now"}))
        assert len(encoded) < MAX_FRAME_BYTES
        assert render(json.loads(encoded), "now")

    def _state(self) -> tuple[object, ...]:
        incoming = [entry.name for entry in os.scandir(self._folder / "incoming")]
        return self.service.board.head, incoming, self.service._blobs.size(blob_name(SMALL))

    def _said(self, frame: Any) -> bytes:
        """A frame's bytes; a post in it is signed."""
        if isinstance(frame, list) and len(frame) == 2 and frame[0] == "submit":
            post = frame[1]
            if isinstance(post, list) and len(post) == _FIELDS and post[0] == b"":
                post[0] = self._federation.terms.federation
            frame = ["submit", signed(post, self.service.board, self._federation.keys)]
        return msgspec.msgpack.encode(frame)


@target(
    "aggregator", "aggregator.server.service.Aggregator.receive, a member's frames", limit=8_192
)
def aggregator() -> Case:
    with QUICK.instead():
        stand = _Service(scratch())

    @QUICK.instead()
    def run(data: bytes) -> None:
        """What was found by a course of inputs is said with all of them, and begins anew."""
        try:
            stand.hear(data)
            if len(stand.changes) in (1, 8, _COURSE):
                stand.check()
        except Exception as error:
            error.add_note(f"after the inputs {stand.changes} and {data!r}")
            stand.renew()
            raise
        if len(stand.changes) >= _COURSE:
            stand.renew()

    return Case(run, _members_frames(stand))


def _members_frames(stand: _Service) -> list[bytes]:
    opening = stand.service.rounds.views[TRAINING].opening
    assert opening is not None
    posts = [template(post_of(session, MEMBER, body)) for session, s, body in bodies() if s]
    given = Contribution(opening.digest, attach(stand.payload))
    posts.append(template(post_of(TRAINING, MEMBER, given)))
    posts.append(template(post_of(TRAINING, MEMBER, Statement(bytes(32), 5, 8.0))))
    submits = [["submit", post] for post in posts]
    small, name = SMALL, blob_name(SMALL)
    others = [
        Subscribe(3),
        BlobOffer(name, len(small)),
        BlobChunk(name, len(small), 0, small),
        BlobChunk(name, 5_000, 0, bytes(100)),
        BlobRequest(blob_name(stand.blob), 100),
        TicketRequest("get", blob_name(stand.blob), 0),
        TicketRequest("put", name, len(small)),
        StatusRequest(),
    ]
    trees = [msgspec.msgpack.decode(encode(frame)) for frame in others]
    return [encode([s]) for s in submits] + [encode(trees), encode(submits[:4] + trees[1:3])]


# ── the agent ──


class Listener(Task):
    """Takes everything, says one thing with blobs, and streams one blob that it has heard of."""

    done = False

    def __init__(self) -> None:
        self.heard: list[Posted] = []
        self.blobs = 0
        self._said = False

    def wants(self, session: str) -> bool:
        return True

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        for attachment in posted.attachments:
            if attachment.to in payloads:
                assert len(payloads[attachment.to]) == attachment.size or attachment.is_blob
        self.heard.append(posted)

    def due(self) -> Draft | None:
        if self._said:
            return None
        self._said = True
        blob = bytes(5_000)
        return Draft("ceremony/1", Step("deal", 0, 0, (attach(blob),)), (blob,))

    def wanted_blobs(self) -> list[tuple[bytes, int]]:
        return [] if self.blobs or not self.heard else [(blob_name(b"streamed"), 8)]

    def receive_blob(self, name: bytes, data: bytes) -> None:
        assert data == b"streamed"
        self.blobs += 1


OURS = (Fork, BadEntry, Malformed, DamagedBlob, IdentityInUse, RejectedByAggregator)


@target("agent", "participant.agent.agent.Agent, a hostile aggregator's frames", limit=16_384)
def agent() -> Case:
    genesis = Board(TERMS).head

    @QUICK.instead()
    def run(data: bytes) -> None:
        task, shown = Listener(), Board(TERMS)
        found = Agent(TERMS, MEMBER, FEDERATION.keys[MEMBER], Disk(), task)
        with suppress(*OURS):
            found.connected(Welcome(0, genesis.hash))
            for tree in frames_of(data):
                found.step()
                for frame in _frames(tree, shown, found.board):
                    found.receive(frame)
                sent = found.outgoing()
                assert len(sent) <= 4 * _MAX_FRAMES * 64
                assert all(len(encode(frame)) <= MAX_FRAME_BYTES for frame in sent)
            found.step()
        have, wanted = found._downloads.received_bytes
        assert 0 <= have <= wanted
        assert len(task.heard) <= len(found.board.entries)

    return Case(run, _aggregators_frames())


def _frames(tree: Any, shown: Board, known: Board) -> list[FromAggregator]:
    """A frame; posts in an Entries frame are signed and follow what the agent has."""
    with suppress(*UNSAYABLE):
        if isinstance(tree, list) and len(tree) == 3 and tree[0] == "entries":
            posts = tree[1] if isinstance(tree[1], list) else []
            made = [_entry(post, shown, known) for post in posts]
            tree = ["entries", [entry for entry in made if entry], tree[2]]
        return [decode_from_aggregator(msgspec.msgpack.encode(tree))]
    return []


def _entry(post: Any, shown: Board, known: Board) -> bytes:
    """An entry that would be next, and is put on the forger's own board if it may be."""
    if isinstance(post, bytes):
        return post
    if shown.head.position < known.head.position:
        shown.entries, shown._hashes = known.entries.copy(), list(known._hashes)
        shown._counts, shown._last_seen = dict(known._counts), dict(known._last_seen)
    pair = signed(post, shown, FEDERATION.keys)
    head = shown.head
    tree = [head.position + 1, head.hash, 1_000, pair]
    with suppress(Fork, BadEntry):
        shown.append(msgspec.convert(tree, Entry))
    return msgspec.msgpack.encode(tree)


def _aggregators_frames() -> list[bytes]:
    streamed, whole = blob_name(b"streamed"), bytes(5_000)
    posts = [template(post_of(*said)) for said in bodies() if said[1] != MEMBER]
    with_blob = Step("deal", 0, 0, (attach(whole), attach(b"x" * 40, MEMBER)))
    posts.append(template(post_of("ceremony/1", 1, with_blob)))
    own = [template(post_of("ceremony/1", MEMBER, Step("deal", 0, 0, (attach(whole),))))]
    frames = [
        BlobHave(blob_name(whole), 5_000, 5_000, False),
        BlobHave(blob_name(whole), 0, 5_000, True),
        BlobChunk(streamed, 8, 0, b"streamed"),
        BlobChunk(blob_name(whole), 5_000, 0, whole),
        Rejected("awaited-blob", "once more"),
        Rejected("busy", "later"),
        Accepted(bytes(32), 1),
        Declined(bytes(32), "too much"),
        Welcome(1, bytes(32)),
    ]
    trees = [msgspec.msgpack.decode(encode(frame)) for frame in frames]
    courses = [[["entries", [post], 9]] for post in posts]
    courses += [[["entries", posts, 12], *trees[2:4]], [["entries", own, 1]], trees, trees[:2]]
    courses.append([["entries", [posts[-1]], 1], trees[3], ["entries", posts[:2], 3], trees[2]])
    return [encode(course) for course in courses]
