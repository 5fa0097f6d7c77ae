"""What an audit keeps of an entry: a long board has many, and half their bytes are for others."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from protocol.board import Posted
from protocol.messages import Partial


@dataclass(frozen=True)
class Lean:
    """Entries without the keys that are sealed to members, which no auditor can open.

    What entries have in common is kept once: the federation, names of sessions, and hashes, which
    are those of the chain.
    """

    federation: bytes
    hashes: Sequence[bytes]

    def __call__(self, posted: Posted) -> Posted:
        """The entry as it is kept; it has been verified."""
        post, body = posted.post, posted.post.body
        if isinstance(body, Partial):
            body = replace(body, attachments=tuple(a for a in body.attachments if not a.to))
        known = self.hashes[posted.position - 1]
        kept = replace(
            post, federation=self.federation, session=sys.intern(post.session), body=body
        )
        if post.seen_position:
            kept = replace(kept, seen=self.hashes[post.seen_position - 1])
        return posted._replace(hash=known if known == posted.hash else posted.hash, post=kept)
