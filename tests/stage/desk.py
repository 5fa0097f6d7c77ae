"""A service on a folder, without sockets, and members who speak to it in turn."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from aggregator.server.service import Aggregator
from aggregator.store.database import BoardDatabase
from protocol.board.payload_sizes import expected_count
from protocol.board.post import Posted, SignedPost, decode_entry
from protocol.board.study import Study
from protocol.encoding import encode
from protocol.key.epoch import Epoch
from protocol.messages.attachment import attach, blob_name
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Certificate, Join, Step
from protocol.messages.plan import Ending, Withdrawal
from protocol.messages.rounds import Closing, Contribution, Opening, Statement
from protocol.messages.session import read_session
from protocol.rounds.ciphertexts import Encrypted
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
from tests.stage.studies import (
    STATISTIC,
    STUDY,
    approval,
    founding,
    statistic_study,
    training_study,
)
from tests.stage.toy import Federation, next_post, toy_epoch

SECONDS = 20  # that the last contributors to a round are waited for
MODEL = b"m" * 32


def federation(n: int = 3, **changes: Any) -> Federation:
    """Hospitals of which two decrypt, and three contribute: three, or four to do without one."""
    return toy_epoch(n, 2).under(**changes).federation


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
    suite: str = "paillier"  # of the studies that train
    database: Callable[[], BoardDatabase] | None = None  # opens another than the folder's own
    service: Aggregator = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> Aggregator:
        self.service = Aggregator(
            self.federation.terms, self.federation.keys[0], self.folder, lambda: self.time_ms,
            database=self.database() if self.database else None,
        )  # fmt: skip
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

    def training(self, name: str = STUDY, **changes: Any) -> Study:
        """The plan of three rounds, but for the changes, under a name; on no board yet."""
        chosen = {"rounds": 3, "seconds": SECONDS, "suite": self.suite} | changes
        return training_study(self.federation.terms, name, **chosen)

    def statistic(self, name: str = STATISTIC, length: int = 2, **changes: Any) -> Study:
        """The same for a statistic."""
        chosen = {"seconds": SECONDS} | changes
        return statistic_study(self.federation.terms, length, name, **chosen)

    def found(self, study: Study, *approving: int) -> Study:
        """Propose a study, and let these members approve it, or all."""
        for member, draft in founding(study, approving=approving or None):
            self.say(member, draft.session, draft.body)
        return study

    def propose(self, member: int) -> Study:
        """A member proposes a study, whose name follows from its place on the board."""
        study = self.statistic(f"s{self.service.board.head.position}")
        self.say(member, study.session, study.plan)
        return study

    def approve(self, study: Study, member: int, **which: bool) -> None:
        """A member approves, to contribute and to open unless told."""
        draft = approval(study, **which)
        self.say(member, draft.session, draft.body)

    def withdraw(self, study: Study, member: int) -> None:
        """A member takes its approval back."""
        self.say(member, study.session, Withdrawal(study.digest))

    def end(self, study: Study, *members: int) -> None:
        """Members vote to end a study."""
        for member in members:
            self.say(member, study.session, Ending(study.digest))

    def study(self, session: str) -> Study:
        """That a session is about."""
        return self.service.board.studies[read_session(session).study].study

    def open_training(self, length: int = 5, name: str = STUDY, **changes: Any) -> str:
        """A key, a study, an initial model, and the opening of round 1; its session."""
        study = self.found_training(name, **changes)
        self.state(study.round(0), study.members, length=length)
        assert self.service.tick()
        return study.round(1)

    def found_training(self, name: str = STUDY, **changes: Any) -> Study:
        """A key, and a study whose members are to state a model."""
        if self.service.epoch is None:
            self.certify()
        return self.found(self.training(name, **changes))

    def open_statistic(self, name: str = STATISTIC, length: int = 2, **changes: Any) -> str:
        """A key, a statistic, and its opening; its session."""
        if self.service.epoch is None:
            self.certify()
        study = self.found(self.statistic(name, length, **changes))
        assert self.service.tick()
        return study.round(1)

    def payload(
        self, session: str, member: int = 1, change: Callable[[Encrypted], Encrypted] = lambda e: e
    ) -> bytes:
        """Encryptions of zero as the round's opening asks a member for them, perhaps changed."""
        posted = self.opened(session)
        count = expected_count(posted.post.body, self.study(session))
        plaintexts = encrypt([0] * count, self.epoch, secrets.token_hex())
        made = prove(plaintexts, member, session, posted.digest, self.epoch)
        return payload_of(change(made), self.epoch)

    def contribution(self, member: int, session: str, payload: bytes | None = None) -> Contribution:
        """What a member posts with a payload, or with what it should send."""
        payload = self.payload(session, member) if payload is None else payload
        return Contribution(self.opened(session).digest, attach(payload))

    def contribute(self, member: int, session: str, payload: bytes | None = None) -> bytes:
        """A member's contribution; returns its payload."""
        payload = self.payload(session, member) if payload is None else payload
        body = self.contribution(member, session, payload)
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
