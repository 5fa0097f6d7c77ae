"""A service on a folder, without sockets, and members who speak to it in turn."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from aggregator.server.service import Aggregator
from protocol.board.board import Posted, SignedPost, decode_entry
from protocol.board.messages import (
    Body,
    Certificate,
    Closing,
    Contribution,
    Join,
    Opening,
    Request,
    Statement,
    Step,
    attach,
    blob_name,
)
from protocol.board.payload_sizes import expected_count
from protocol.encoding import encode
from protocol.key.epoch import Epoch
from protocol.rounds.ciphertexts import Encrypted
from protocol.terms.terms import RoundPolicy
from protocol.wire.frames import (
    CHUNK_BYTES,
    Accepted,
    BlobChunk,
    BlobHave,
    BlobOffer,
    Declined,
    FromAggregator,
    FromMember,
    Rejected,
    Submit,
)
from tests.stage.rounds.contribution import encrypt, payload_of, prove
from tests.stage.toy import Federation, next_post, toy_epoch

SECONDS = 20
MODEL = b"m" * 32


def policy(count: int = 3, least: int = 3) -> RoundPolicy:
    """Rounds in which the last contributors are waited for during ``SECONDS``."""
    return RoundPolicy(count, least, SECONDS, SECONDS, 3)


def federation(rounds: RoundPolicy | None = None, n: int = 3, **changes: Any) -> Federation:
    """Hospitals of which two decrypt, and three contribute: three, or four to do without one."""
    chosen = {"rounds": rounds or policy(), "suite": "paillier"} | changes
    return toy_epoch(n, 2).under(**chosen).federation


def code(answer: object) -> str:
    """Why a frame was rejected."""
    assert isinstance(answer, Rejected), answer
    return answer.code


@dataclass
class Desk:
    """``restart`` opens the folder anew, as after the process died; time stands still."""

    folder: Path
    federation: Federation = field(default_factory=federation)
    time_ms: int = 1_000_000
    service: Aggregator = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> Aggregator:
        self.service = Aggregator(
            self.federation.terms, self.federation.keys[0], self.folder, lambda: self.time_ms
        )
        return self.service

    def wait(self, seconds: float = SECONDS) -> bool:
        """Let time pass; whether the service then had something to say."""
        self.time_ms += int(1000 * seconds)
        return self.service.tick()

    # ── what members do ──

    def ask(self, member: int, frame: FromMember) -> FromAggregator:
        """A frame and its only answer."""
        (answer,) = self.service.receive(member, frame)
        return answer

    def sign(self, member: int, session: str, body: Body, **changes: Any) -> SignedPost:
        """A member's next post; ``changes`` as for ``next_post``."""
        key, board = self.federation.keys[member], self.service.board
        return next_post(key, board, session, member, body, **changes)

    def say(self, member: int, session: str, body: Body, *blobs: bytes) -> SignedPost:
        """Upload, post, and see it accepted."""
        for blob in blobs:
            assert self.upload(member, blob) == len(blob)
        signed = self.sign(member, session, body)
        assert isinstance(answer := self.ask(member, Submit(signed)), Accepted), answer
        return signed

    def flood(self, session: str, bodies: Sequence[Body], member: int = 3) -> int:
        """How many of a member's posts get onto the board; the others are refused or declined."""
        answers = [self.ask(member, Submit(self.sign(member, session, body))) for body in bodies]
        refused = [a for a in answers if not isinstance(a, Accepted | Declined)]
        assert all(isinstance(a, Rejected) and a.code == "bad-post" for a in refused)
        return sum(isinstance(answer, Accepted) for answer in answers)

    def upload(self, member: int, blob: bytes, name: bytes | None = None) -> int:
        """Offer a blob and send what is missing; returns what is there in the end."""
        name = name or blob_name(blob)
        answer = self.ask(member, BlobOffer(name, len(blob)))
        while isinstance(answer, BlobHave) and answer.offset < len(blob):
            data = blob[answer.offset : answer.offset + CHUNK_BYTES]
            answer = self.ask(member, BlobChunk(name, len(blob), answer.offset, data))
        assert isinstance(answer, BlobHave), answer
        return answer.offset

    # ── a federation's course ──

    @property
    def epoch(self) -> Epoch:
        """The key that the members have made."""
        terms = self.federation.terms
        epoch = toy_epoch(terms.n_members, terms.quorum).epoch
        return msgspec.structs.replace(epoch, federation=terms.federation)

    def join(self) -> None:
        """All members join the first ceremony."""
        for member in self.federation.members:
            self.say(member, "ceremony/1", Join(b"key", bytes(32)))

    def certify(self) -> None:
        """All members sign the key."""
        for member in self.federation.members:
            self.say(member, "ceremony/1", Certificate(b"t" * 32, encode(self.epoch)))

    def deal(self, batches: int) -> None:
        """All members deal the first batches of a ceremony, but what they have dealt already."""
        said = {p.post.body for p in self.service.board.session("ceremony/1")}
        if not said:
            self.join()
        for batch in range(batches):
            if (dealt := Step("deal", batch, 0, ())) not in said:
                for member in self.federation.members:
                    self.say(member, "ceremony/1", dealt)

    def state(
        self,
        session: str,
        members: Sequence[int],
        model: bytes = MODEL,
        length: int = 5,
        **bounds: Any,
    ) -> None:
        """Members say which model they hold, and which bounds they ask for."""
        for member in members:
            self.say(member, session, Statement(model, length, **bounds))

    def open_training(self, length: int = 5) -> None:
        """A key, an initial model, and the opening of round 1."""
        self.certify()
        self.state("round/0", self.federation.members, length=length)
        assert self.service.tick()

    def open_statistic(self, name: str = "age", length: int = 2) -> str:
        """A key, a request, and the opening of a statistic round; its session."""
        self.certify()
        self.say(1, f"statistic/{name}", Request(length))
        assert self.service.tick()
        return f"statistic/{name}"

    def payload(
        self, session: str, member: int = 1, change: Callable[[Encrypted], Encrypted] = lambda e: e
    ) -> bytes:
        """Encryptions of zero as the round's opening asks a member for them, perhaps changed."""
        posted = self.opened(session)
        count = expected_count(posted.post.body, self.federation.terms)
        plaintexts = encrypt([0] * count, self.epoch, secrets.token_hex())
        made = prove(plaintexts, member, session, posted.digest, self.epoch)
        return payload_of(change(made), self.epoch)

    def contribute(self, member: int, session: str, payload: bytes | None = None) -> bytes:
        """A member's contribution; returns its payload."""
        payload = self.payload(session, member) if payload is None else payload
        body = Contribution(self.opened(session).digest, attach(payload))
        self.say(member, session, body, *([payload] if body.ciphertexts.is_blob else []))
        return payload

    def fill(self, session: str, *members: int) -> list[bytes]:
        """Contributions of these members, or of all; their payloads."""
        return [self.contribute(m, session) for m in members or self.federation.members]

    # ── what came of it ──

    def opened(self, session: str) -> Posted[Opening]:
        """The post that opened a round."""
        posted = self.service.rounds.views[session].opening
        assert posted is not None
        return posted

    def opening(self, session: str) -> Opening:
        return self.opened(session).post.body

    def is_open(self, session: str) -> bool:
        view = self.service.rounds.views.get(session)
        return view is not None and view.opening is not None

    def closing(self, session: str) -> Closing | None:
        view = self.service.rounds.views.get(session)
        return view.closed if view else None

    def contributors(self, session: str) -> list[int]:
        closing = self.closing(session)
        assert closing is not None
        return [c.member for c in closing.contributors]

    def all_entries(self) -> list[bytes]:
        """The board as a subscriber gets it, frame by frame."""
        found: list[bytes] = []
        while frame := self.service.entries_after(len(found)).entries:
            found += frame
        assert [decode_entry(e).position for e in found] == list(range(1, len(found) + 1))
        return found


MakeDesk = Callable[..., Desk]
