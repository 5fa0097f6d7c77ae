"""Decoders of what comes over the network: frames, entries, posts and all that is said in them."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime

from keyshare.proofs import CHECKPOINTS
from protocol.board.board import Board
from protocol.board.post import Entry, Post, decode_entry, sign_post
from protocol.encoding import decode, encode
from protocol.errors import BadSignature, BrokenChannel, Malformed
from protocol.key.proof_encoding import Proof
from protocol.messages.attachment import attach
from protocol.messages.bodies import Body, CardSeen, attachments_of, belongs, chunks_of
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Overdue, Step
from protocol.messages.check import CheckPart, CheckRequest
from protocol.messages.fields import MAX_ATTACHMENTS, MAX_CHUNKS, MAX_POST_BYTES
from protocol.messages.handover import (
    Arrival,
    BareWord,
    Consent,
    DealingCommitment,
    HandedDealing,
    HandoverProposal,
    KeyInherited,
    PointAccusation,
    ShownPart,
)
from protocol.messages.inherited_sums import InheritedPart
from protocol.messages.plan import Approval, Ending, Withdrawal
from protocol.messages.rounds import (
    Closing,
    Complaint,
    Contribution,
    Contributor,
    ModelEntries,
    ModelEntry,
    Near,
    Omission,
    Opening,
    Partial,
    Refusal,
    SetLock,
    Statement,
)
from protocol.sealing import PUBLIC_BYTES
from protocol.wire.channel import SealedChannel
from protocol.wire.frames import (
    Accepted,
    BlobAbsent,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    Confirmation,
    Declined,
    Entries,
    NewerCard,
    Rejected,
    StatusReport,
    StatusRequest,
    Submit,
    Subscribe,
    Ticket,
    TicketRequest,
    Welcome,
    decode_confirmation,
    decode_from_aggregator,
    decode_from_member,
)
from protocol.wire.handshake import AggregatorHandshake, MemberHandshake
from tests.fuzz.target import Case, target
from tests.stage.studies import statistic_plan, training_plan
from tests.stage.toy import toy_federation

FEDERATION = toy_federation(3, 2)
TERMS = FEDERATION.terms
DIGEST = bytes(range(32))


def bodies() -> list[tuple[str, int, Body]]:
    """A body of every kind, where it is said and by whom."""
    attachments = (attach(b"for all"), attach(b"x" * 40, 2), attach(bytes(5_000), 3))
    contributors = (Contributor(1, DIGEST), Contributor(2, DIGEST[::-1]))
    return [
        ("ceremony/1", 1, Join(bytes(1_216), DIGEST)),
        ("ceremony/1", 2, Step("deal", 1, 2, attachments)),
        ("ceremony/1", 3, Certificate(DIGEST, b"an epoch")),
        ("ceremony/1", 2, Overdue("moduli", 1, 0)),
        ("ceremony/1", 1, Abort(2, "deal", "a reason")),
        ("ceremony/1", 1, Abort(0, "deal", "a reason", (2, 3))),
        ("ceremony/1", 1, Disclosure(DIGEST)),
        ("study/age", 1, statistic_plan(TERMS, 2, decimals=1, labels=("men", "women"))),
        ("study/cardio", 2, training_plan(TERMS, app=DIGEST)),
        ("study/cardio", 1, Approval(DIGEST, True, False)),
        ("study/cardio", 1, Withdrawal(DIGEST)),
        ("study/cardio", 3, Ending(DIGEST)),
        ("study/cardio/1", 0, Opening(DIGEST, DIGEST, DIGEST, 5, "hybrid", 8.0, 1_000)),
        (
            "study/cardio/1",
            1,
            Contribution(DIGEST, attach(b"payload"), (DIGEST,), Near(("study/other/1",), (0, 7))),
        ),
        ("study/cardio/1", 0, Closing(contributors, attach(b"payload"), (DIGEST,))),
        ("study/cardio/1", 0, Omission(3, DIGEST, "repeated", 2)),
        ("study/cardio/1", 1, SetLock(DIGEST, bytes(range(16)))),
        ("study/cardio/1", 1, Partial(DIGEST, DIGEST, (*attachments, attach(b"y" * 40, 1)))),
        ("study/cardio/1", 1, Complaint(DIGEST, 2, DIGEST)),
        ("study/cardio/1", 2, Refusal("one-set", 3, "a reason")),
        ("study/cardio/1", 2, Statement(DIGEST, 5, 0.25, 64, DIGEST)),
        ("study/cardio/0", 2, ModelEntries(DIGEST, 2, (ModelEntry("bias", (2, 3), "float32"),))),
        ("check/1", 1, CheckRequest(DIGEST, DIGEST)),
        *handover_bodies(),
        ("address/1", 2, CardSeen(FEDERATION.card)),
        ("check/1", 2, CheckPart(DIGEST, attach(b"a part"))),
    ]


def handover_bodies() -> list[tuple[str, int, Body]]:
    """A body of every kind of a handover."""
    key, number = bytes(PUBLIC_BYTES), b"\x07"
    proof = Proof(number, number, number, (number,) * CHECKPOINTS)
    said: list[Body] = [
        HandoverProposal(DIGEST, b"terms", (DIGEST * 2,)),
        Consent(DIGEST),
        Arrival(DIGEST, (key, key), key),
        DealingCommitment(DIGEST),
        HandedDealing(DIGEST, number, (number,), number, True, (b"sealed", b"")),
        ShownPart(number, proof),
        PointAccusation(2, DIGEST),
        BareWord("freeze only"),
    ]
    inherited: list[Body] = [
        KeyInherited(7, DIGEST, b"an epoch", (DIGEST,)),
        InheritedPart(0, b"sums"),
    ]
    return [
        *(("handover/0", 1, body) for body in inherited),
        *(("handover/1", 1, body) for body in said),
    ]


def post_of(session: str, sender: int, body: Body) -> Post:
    """A member's first post."""
    genesis = Board(TERMS).head
    return Post(TERMS.federation, session, sender, 0, genesis.position, genesis.hash, body)


def entries() -> list[Entry]:
    """First entries of boards, one for each kind of body but parts: those are for a study's."""
    board = Board(TERMS)
    posts = [post_of(*said) for said in bodies() if not isinstance(said[2], Partial)]
    return [board.extend(sign_post(p, FEDERATION.keys[p.sender]), 1_700_000) for p in posts]


def check_body(body: Body) -> None:
    """What every reader of a body counts on."""
    attachments = attachments_of(body)
    assert len(attachments) <= MAX_ATTACHMENTS
    assert len(chunks_of(body)) <= MAX_CHUNKS
    assert all(0 <= a.to <= MAX_ATTACHMENTS and len(a.digest) == 32 for a in attachments)
    if isinstance(body, Opening | Statement):
        assert 0 <= body.clip < float("inf"), body.clip


def spelled_once(read: Callable[[bytes], object], messages: Iterable[object]) -> Case:
    """What is accepted is the one spelling of what it says."""

    def run(data: bytes) -> None:
        with suppress(Malformed):
            assert encode(read(data)) == data

    return Case(run, list(map(encode, messages)))


@target("frame-from-member", "protocol.wire.frames.decode_from_member", limit=8_192)
def frame_from_member() -> Case:
    signed = [entry.post for entry in entries()]
    frames = [
        Subscribe(7),
        *map(Submit, signed),
        BlobOffer(DIGEST, 5_000),
        BlobChunk(DIGEST, 5_000, 100, b"data"),
        BlobRequest(DIGEST, 100),
        TicketRequest("put", DIGEST, 1 << 20),
        StatusRequest(),
    ]
    return spelled_once(decode_from_member, frames)


@target("challenge", "protocol.wire.handshake.MemberHandshake", limit=2_048)
def challenge() -> Case:
    """Whatever answers where a hospital dials; and what it takes for the aggregator's last word."""
    own = AggregatorHandshake(TERMS, FEDERATION.keys[0], b"n" * 32, lambda number, url: True)
    first = encode(own.challenge)

    def run(data: bytes) -> None:
        one = MemberHandshake(TERMS, FEDERATION.card, 1, b"i" * 16, "member", FEDERATION.keys[1])
        with suppress(Malformed, BadSignature):
            one.answer(data)
            assert data == first, "it was answered, and the aggregator did not say it"

    return Case(run, [first])


@target("confirmation", "protocol.wire.frames.decode_confirmation", limit=2_048)
def confirmation() -> Case:
    said = [Confirmation(bytes(64)), Rejected("busy", "a reason")]
    return spelled_once(decode_confirmation, said)


@target("sealed-frame", "protocol.wire.channel.SealedChannel.open", limit=2_048)
def sealed_frame() -> Case:
    frames = [encode(Welcome(3, DIGEST)), encode(Subscribe(7)), b""]
    sealed = [SealedChannel(b"a" * 32, b"m" * 32).seal(frame) for frame in frames]

    def run(data: bytes) -> None:
        channel = SealedChannel(b"m" * 32, b"a" * 32)
        try:
            assert channel.open(data) in frames
            assert data in sealed, "a frame opens that nobody has sealed"
        except BrokenChannel:
            with suppress(BrokenChannel):
                assert channel.open(sealed[0]) is None, "a channel goes on after it was broken"

    return Case(run, sealed)


@target("frame-from-aggregator", "protocol.wire.frames.decode_from_aggregator", limit=8_192)
def frame_from_aggregator() -> Case:
    encoded = [encode(entry) for entry in entries()]
    frames = [
        Welcome(3, DIGEST),
        NewerCard(FEDERATION.card),
        Rejected("busy", "a reason"),
        Entries(tuple(encoded[3:6]), 6),
        Accepted(DIGEST, 4),
        Declined(DIGEST, "study/age/1: its sender has said this before"),
        BlobHave(DIGEST, 100, 5_000, True),
        BlobAbsent(DIGEST),
        Ticket("get", DIGEST, 1 << 20, "X-Amz-Signature=00"),
        BlobChunk(DIGEST, 5_000, 100, b"data"),
        StatusReport(b"{}"),
    ]
    return spelled_once(decode_from_aggregator, frames)


@target("entry", "protocol.board.post.decode_entry", limit=8_192)
def entry() -> Case:
    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = decode_entry(data)
            assert encode(found) == data
            assert len(found.hash) == len(found.post.digest) == 32
            datetime.fromtimestamp(found.time_ms / 1000, UTC)  # as people are shown it

    return Case(run, list(map(encode, entries())))


@target("post", "protocol.board.post.Post with every body of protocol.messages", limit=8_192)
def post() -> Case:
    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = decode(data, Post, "post", MAX_POST_BYTES)
            assert encode(found) == data
            belongs(found.session, found.sender, found.body)
            check_body(found.body)

    return Case(run, [encode(post_of(*said)) for said in bodies()])
