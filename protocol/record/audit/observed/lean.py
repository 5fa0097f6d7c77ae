"""What an audit keeps of an entry: a long board has many, and half their bytes are for others."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from msgspec.structs import replace

from protocol.board import Post, Posted
from protocol.messages import Contribution, Partial, SetLock, Statement

T = TypeVar("T")
_FEW = 256  # words of rounds that are at work at one time


def unsealed(post: Post) -> Post:
    """The post without the keys in it that are sealed to members; the same if it has none."""
    body = post.body
    if not isinstance(body, Partial):
        return post
    shown = tuple(a if not a.to else replace(a, data=b"") for a in body.attachments)
    return replace(post, body=replace(body, attachments=shown))


@dataclass(frozen=True)
class Lean:
    """Entries without the keys that are sealed to members, which no auditor can open.

    Nor are the names of locks, parts and statements kept: no other post says them.

    What entries have in common is kept once: the federation, names of sessions, and hashes: those
    of the chain, and what many say of one round. hashes: of the entries after the first ``before``.
    """

    federation: bytes
    hashes: Sequence[bytes]
    before: int = 0
    _said: dict[Any, Any] = field(default_factory=dict)

    def __call__(self, posted: Posted) -> Posted:
        """The entry as it is kept; it has been verified."""
        post, body = posted.post, posted.post.body
        if isinstance(body, Partial):
            public = tuple(a for a in body.attachments if not a.to)
            body = replace(body, attachments=public, chosen=self._once(body.chosen))
        elif isinstance(body, SetLock):
            body = replace(body, chosen=self._once(body.chosen))
        elif isinstance(body, Contribution):
            body = replace(body, opening=self._once(body.opening))
        elif isinstance(body, Statement):
            body = self._once(body)
        known = self.hashes[posted.position - 1 - self.before]
        kept = replace(
            post, federation=self.federation, session=sys.intern(post.session), body=body
        )
        if post.seen_position > self.before:
            kept = replace(kept, seen=self.hashes[post.seen_position - 1 - self.before])
        name = b"" if isinstance(body, SetLock | Partial | Statement) else posted.digest
        own = known if known == posted.hash else posted.hash
        return posted._replace(hash=own, post=kept, digest=name)

    def _once(self, said: T) -> T:
        """The same object for the same word, as long as others are likely to say it."""
        if len(self._said) >= _FEW:
            self._said.clear()
        kept: T = self._said.setdefault(said, said)
        return kept
