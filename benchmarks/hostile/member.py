"""A member of the federation that floods it; a process of its own, of bounded life.

``flood``: posts and uploads as fast as it can. ``name``: uploads one blob and names it in posts.
The identity is that of QUORATE_HOME. At the end one line of JSON tells what was taken and refused.
"""

import argparse
import asyncio
import json
import os
import secrets
import time
from collections import Counter
from itertools import count
from pathlib import Path

from participant.errors import ParticipantError
from participant.home import PASSPHRASE_VARIABLE, Identity, Passphrase, load
from participant.network import Caller, Link, Traffic, open_link
from protocol.board import Post, sign_post
from protocol.messages import (
    Attachment,
    Body,
    CheckRequest,
    Contribution,
    Partial,
    Plan,
    Statistic,
    Step,
    attach,
    blob_name,
)
from protocol.terms import Terms, TermsText, parse
from protocol.wire import (
    CHUNK_BYTES,
    Accepted,
    BlobChunk,
    BlobHave,
    FromAggregator,
    FromMember,
    Rejected,
    Submit,
)

BLOB_BYTES, POSTS = 4 << 20, 20
_AGAIN_SECONDS, _ANSWER_SECONDS = 0.2, 10.0


class Hostile:
    """One member's line to the aggregator, and a count of what came back."""

    def __init__(self, text: TermsText, member: int, identity: Identity, until: float) -> None:
        assert text.card is not None
        self.card, self.terms = text.card, text.terms
        self.member, self.until = member, until
        self.told: Counter[str] = Counter()
        self._key, self._sequences = identity.signing_key, Counter[str]()

    async def run(self, kind: str) -> None:
        """Do it, over as many connections as it takes."""
        instance = secrets.token_bytes(16)
        caller = Caller(self.member, self._key, instance)
        while time.monotonic() < self.until:
            try:
                async with open_link(self.terms, self.card, caller, Traffic()) as link:
                    self.told["connections"] += 1
                    if kind == "flood":
                        await self._flood(link)
                    else:
                        await self._name(link)
                        return
            except (ParticipantError, TimeoutError) as error:
                self.told[f"lost: {type(error).__name__}"] += 1
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _flood(self, link: Link) -> None:
        for number in count():
            if time.monotonic() >= self.until:
                return
            data = secrets.token_bytes(CHUNK_BYTES)
            await self._upload(link, blob_name(data), data)
            for session, body in _junk(number, self.terms):
                await self._post(link, session, body)

    async def _name(self, link: Link) -> None:
        """One blob, and posts that name it in every session where one might be believed."""
        data = secrets.token_bytes(BLOB_BYTES)
        name = blob_name(data)
        await self._upload(link, name, data)
        blob = Attachment(0, BLOB_BYTES, name, b"")
        others = tuple(
            Attachment(to, BLOB_BYTES, name, b"") for to in range(1, self.terms.n_members + 1)
        )
        for number in range(POSTS):
            bodies: tuple[tuple[str, Body], ...] = (
                (f"study/x/{number + 1}", Contribution(secrets.token_bytes(32), blob)),
                (f"study/x/{number + 1}", Partial(bytes(32), bytes(32), (blob, *others))),
                (f"ceremony/{number + 1}", Step("units", number, 0, (blob,))),
            )
            await self._post(link, *bodies[number % len(bodies)])

    async def _upload(self, link: Link, name: bytes, data: bytes) -> None:
        for start in range(0, len(data), CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES]
            answer = await _ask(link, BlobChunk(name, len(data), start, piece))
            if isinstance(answer, BlobHave):
                self.told["bytes_taken"] += len(piece)
            else:
                self._count("upload", answer)
                return

    async def _post(self, link: Link, session: str, body: Body) -> None:
        seen = link.welcome
        post = Post(
            self.terms.federation, session, self.member, self._sequences[session],
            seen.position, seen.head, body,
        )  # fmt: skip
        answer = await _ask(link, Submit(sign_post(post, self._key)))
        if isinstance(answer, Accepted):
            self.told["posts_taken"] += 1
            self._sequences[session] += 1
        else:
            self._count("post", answer)

    def _count(self, what: str, answer: FromAggregator) -> None:
        kind = answer.code if isinstance(answer, Rejected) else type(answer).__name__.lower()
        self.told[f"{what}s refused as {kind}"] += 1


def _junk(number: int, terms: Terms) -> list[tuple[str, Body]]:
    everybody, least = tuple(range(1, terms.n_members + 1)), terms.least_contributors
    plan = Plan("Junk.", everybody, least, 1, Statistic(5, 0, "junk"))
    data = secrets.token_bytes(4096)
    pieces = tuple(attach(data, to) for to in range(4))
    return [
        ("ceremony/99", Step("x", number, 0, pieces)),
        ("ceremony/2", Step("x", number, 0, pieces)),
        (f"study/s{number}", plan),
        (f"check/{number + 1}", CheckRequest(bytes(32), secrets.token_bytes(32))),
    ]


async def _ask(link: Link, frame: FromMember) -> FromAggregator:
    """The answer; as long as one does not subscribe, nothing else comes."""
    await link.send(frame)
    async with asyncio.timeout(_ANSWER_SECONDS):
        return await link.receive()


def main() -> None:
    """Flood the aggregator that the terms name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["flood", "name"])
    parser.add_argument("terms", type=Path)
    parser.add_argument("--member", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    terms = parse(options.terms.read_text())
    identity = load(Path(os.environ["QUORATE_HOME"]), Passphrase(os.environ[PASSPHRASE_VARIABLE]))
    hostile = Hostile(terms, options.member, identity, time.monotonic() + options.seconds)
    asyncio.run(hostile.run(options.kind))
    print(json.dumps(hostile.told), flush=True)


if __name__ == "__main__":
    main()
