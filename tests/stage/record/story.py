"""What was said in a federation, post by post, to be signed, chained and written as a record.

A story can be changed before it is written, by whoever is assumed to have the keys: what follows is
signed and chained again, and what names something by its hash then names the changed thing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from protocol.board.draft import public_payload
from protocol.board.post import B, Entry, Head, Post, genesis, sign_post
from protocol.encoding import decode, digest, encode
from protocol.messages.attachment import Attachment, blob_name
from protocol.messages.bodies import Body, attachments_of
from protocol.messages.fields import MAX_POST_BYTES
from protocol.messages.rounds import Closing
from protocol.record.files import aborted_ceremonies, entry_path, is_recorded
from tests.stage.handover.rosters import guest_key
from tests.stage.record import memory
from tests.stage.record.memory import MemoryFiles
from tests.stage.toy import Federation, Table


@dataclass(frozen=True)
class Said:
    """One post before it is signed.

    names: its digest, its entry's hash and the name of the set that it chose, as it was first said.
    falsified: fields of the post that are not what they should be. signer: whose key signs it, if
    not the sender's. guest: who speaks, if it is a guest in a handover.
    """

    session: str
    sender: int
    body: Body
    time_ms: int
    names: tuple[bytes, ...] = ()
    falsified: Mapping[str, Any] = field(default_factory=dict)
    signer: int | None = None
    guest: str = ""


def said_at(table: Table) -> list[Said]:
    """All that was said at a table."""
    return [
        Said(
            posted.post.session, posted.post.sender, posted.post.body, entry.time_ms,
            names_of(posted.post, entry, table.federation), guest=_guest(table, posted.post),
        )
        for posted, entry in zip(table.board.entries, table.entries, strict=True)
    ]  # fmt: skip


def _guest(table: Table, post: Post) -> str:
    handover = table.board.key.handovers.in_session(post.session)
    if handover is None or post.sender not in handover.guests:
        return ""
    about = handover.about
    return about.new.members[about.new_number(post.sender) - 1].name


@dataclass
class Story:
    """A federation, what was said in it, and who countersigned the last head."""

    federation: Federation
    said: list[Said]
    blobs: dict[bytes, bytes]
    countersigning: tuple[int, ...]

    def copy(self) -> Story:
        """A story to be changed."""
        return Story(self.federation, list(self.said), dict(self.blobs), self.countersigning)

    def until(self, session: str) -> Story:
        """A story to be changed, without what was said after the last post of a session."""
        story = self.copy()
        last = max(k for k, one in enumerate(self.said) if one.session == session)
        del story.said[last + 1 :]
        return story

    def alter(self, position: int, /, **fields: Any) -> None:
        """Let the body there have other fields."""
        self.change(position, body=msgspec.structs.replace(self.at(position).body, **fields))

    def find(self, session: str, kind: type, sender: int | None = None, nth: int = 0) -> int:
        """The position (from 1) of a post."""
        found = [
            position
            for position, one in enumerate(self.said, start=1)
            if one.session == session
            and isinstance(one.body, kind)
            and (sender is None or one.sender == sender)
        ]
        return found[nth]

    def at(self, position: int) -> Said:
        """What was said there."""
        return self.said[position - 1]

    def body(self, position: int, kind: type[B]) -> B:
        """The body there, which must be of that kind."""
        body = self.at(position).body
        assert isinstance(body, kind)
        return body

    def change(self, position: int, **changes: Any) -> None:
        """Let something else be said there."""
        self.said[position - 1] = dataclasses.replace(self.said[position - 1], **changes)

    def insert(self, position: int, said: Said) -> None:
        """Let something be said at a position, before what was said there."""
        self.said.insert(position - 1, said)

    def payload(self, attachment: Attachment) -> bytes:
        """What an attachment carries."""
        return self.blobs[attachment.digest] if attachment.is_blob else attachment.data

    def attached(self, payload: bytes) -> Attachment:
        """What carries a payload for all; a blob is kept."""
        (attachment,), blobs = public_payload(payload)
        self.blobs |= {blob_name(blob): blob for blob in blobs}
        return attachment


@dataclass
class Written:
    """A story as the files of a record, which may be changed before they are read."""

    story: Story
    entries: list[Entry]
    files: MemoryFiles

    @property
    def head(self) -> Head:
        """Its last entry."""
        return Head(len(self.entries), self.entries[-1].hash)

    def path(self, position: int) -> str:
        """Where an entry lies."""
        return entry_path(self.entries[position - 1].hash)


def write(story: Story) -> Written:
    """Sign, chain and file everything."""
    federation = story.federation
    entries = list[Entry]()
    hashes = [genesis(federation.terms.federation)]
    counts, renamed = dict[tuple[str, int], int](), dict[bytes, bytes]()
    for position, as_first_said in enumerate(story.said, start=1):
        one = dataclasses.replace(as_first_said, body=_rename(as_first_said.body, renamed))
        fields: dict[str, Any] = {
            "federation": federation.terms.federation,
            "session": one.session,
            "sender": one.sender,
            "sequence": counts.get((one.session, one.sender), 0),
            "seen_position": position - 1,
            "seen": hashes[-1],
            "body": one.body,
        }
        post = Post(**(fields | dict(one.falsified)))
        signer = one.sender if one.signer is None else one.signer
        key = guest_key(one.guest) if one.guest else federation.keys[signer]
        signed = sign_post(post, key)
        entries.append(Entry(position, hashes[-1], one.time_ms, signed))
        hashes.append(entries[-1].hash)
        counts[one.session, one.sender] = post.sequence + 1
        if one.names:
            now = names_of(one, entries[-1], federation)
            renamed |= dict(zip(one.names, now, strict=True))
    return Written(story, entries, files_of(story, entries))


def names_of(one: Said | Post, entry: Entry, federation: Federation) -> tuple[bytes, ...]:
    """What others name this post by."""
    chosen = b""
    if isinstance(one.body, Closing):
        parts = federation.terms.federation, one.session.encode(), encode(one.body)
        chosen = digest("quorate/chosen set", *parts)
    return entry.post.digest, entry.hash, chosen


def _rename(body: Body, renamed: Mapping[bytes, bytes]) -> Body:
    data = encode(body)
    for old, new in renamed.items():
        if old and old != new:
            data = data.replace(old, new)
    return decode(data, Body, "body", MAX_POST_BYTES)  # type: ignore[arg-type]


def files_of(story: Story, entries: list[Entry]) -> MemoryFiles:
    """The record with these entries, which hold what the story says or some of it."""
    identity, n = story.federation.terms.federation, story.federation.terms.n_members
    posts = [
        Post(identity, one.session, one.sender, 0, 0, bytes(32), one.body) for one in story.said
    ]
    aborted = aborted_ceremonies(posts, n)
    blobs = {
        attachment.digest: story.blobs[attachment.digest]
        for one in story.said
        for attachment in attachments_of(one.body)
        if is_recorded(attachment, one.session in aborted)
    }
    return memory.files_of(story.federation, entries, blobs, story.countersigning)
