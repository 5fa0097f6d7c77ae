"""Every message: round trips, and the refusal of everything that is not its one spelling."""

from hashlib import sha256
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import protocol.messages as m
from keyshare.proofs import CHECKPOINTS
from protocol.board.post import Entry, Post, SignedPost
from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.key.epoch import Epoch, EpochSecret
from protocol.key.proof_encoding import Proof
from protocol.messages import handover as h
from protocol.messages import plan as p
from protocol.messages.attachment import attach, blob_name
from protocol.messages.bodies import attachments_of, belongs
from protocol.messages.fields import MAX_BLOB_BYTES, MAX_INLINE_BYTES
from protocol.sealing import PUBLIC_BYTES, SealContext
from protocol.terms.address_card import MAX_CARD_NUMBER, AddressCard
from protocol.wire import frames as wire

LIMIT = 1 << 20

counts = st.integers(0, (1 << 48) - 1)
times = st.integers(0, (1 << 47) - 1)  # milliseconds
indices = st.integers(0, 16)
ways = st.sampled_from(["get", "put"])
digests = st.binary(min_size=32, max_size=32)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)
words = st.from_regex(r"\A[a-z][a-z0-9 -]{0,31}\Z")
names = st.from_regex(r"\A(ceremony|check|handover)/(0|[1-9][0-9]{0,8})\Z") | st.from_regex(
    r"\Astudy/[a-z][a-z0-9._-]{0,20}(/(0|[1-9][0-9]{0,8}))?\Z"
)
study_names = st.from_regex(r"\A[a-z][a-z0-9._-]{0,63}\Z")
attachments = st.builds(
    m.Attachment, indices, st.integers(0, MAX_BLOB_BYTES), digests, st.binary(max_size=50)
)
lists = st.lists(attachments, max_size=3).map(tuple)
contributors = st.builds(m.Contributor, indices, digests)
decimals = st.integers(0, 100)
members = st.lists(indices, max_size=16).map(tuple)
labels = st.from_regex(r"\A[a-zé]([a-z é,]{0,40}[a-z])?\Z")
signatures = st.binary(min_size=64, max_size=64)
big = st.binary(max_size=40)
one_sealing_key = st.binary(min_size=PUBLIC_BYTES, max_size=PUBLIC_BYTES)
sealing_keys = st.lists(one_sealing_key, max_size=2).map(tuple)
checkpoints = st.lists(big, min_size=CHECKPOINTS, max_size=CHECKPOINTS).map(tuple)
proofs = st.builds(Proof, big, big, big, checkpoints)
BARE_WORDS = get_type_hints(h.BareWord)["word"]
model_entries = st.builds(
    m.ModelEntry, texts, st.lists(counts, max_size=3).map(tuple), st.sampled_from(["float16"])
)
WORKS: dict[type, st.SearchStrategy[Any]] = {
    p.Training: st.builds(
        p.Training,
        st.integers(1, 1_000_000),
        st.floats(0, 1e9),
        st.integers(1, 64),
        st.integers(1, 1 << 47),
        st.sampled_from(["auto", "paillier", "hybrid", "hybrid-s2"]),
        st.sampled_from(["examples", "equal"]),
        study_names | st.just(""),
        counts,
        st.binary(max_size=32),
    ),
    p.Statistic: st.builds(
        p.Statistic,
        st.integers(1, 100_000),
        decimals,
        study_names,
        st.lists(labels, max_size=4).map(tuple),
    ),
}
cards = st.builds(
    AddressCard,
    st.integers(1, MAX_CARD_NUMBER),
    st.from_regex(r"\Awss://[a-z]{1,20}\Z"),
    st.sampled_from([b"", bytes(32)]),
    digests,
    signatures,
)
BODIES: dict[type, st.SearchStrategy[Any]] = {
    m.Join: st.builds(m.Join, st.binary(max_size=60), digests),
    m.Step: st.builds(m.Step, words, counts, counts, lists),
    m.Certificate: st.builds(m.Certificate, digests, st.binary(max_size=60)),
    m.Overdue: st.builds(m.Overdue, words, counts, counts),
    m.Abort: st.builds(m.Abort, indices, words, texts, st.lists(indices, max_size=3).map(tuple)),
    m.Disclosure: st.builds(m.Disclosure, digests),
    p.Plan: st.builds(
        p.Plan, texts, members, indices, st.integers(1, 1_000), st.one_of(*WORKS.values())
    ),
    p.Approval: st.builds(p.Approval, digests, st.booleans(), st.booleans()),
    p.Withdrawal: st.builds(p.Withdrawal, digests),
    p.Ending: st.builds(p.Ending, digests),
    m.Opening: st.builds(
        m.Opening, digests, digests, digests, st.integers(1, 10_000_000), max_examples=counts
    ),
    m.Contribution: st.builds(
        m.Contribution,
        digests,
        attachments,
        near=st.builds(
            m.Near, st.lists(names, max_size=3).map(tuple), st.lists(counts, max_size=3).map(tuple)
        ),
    ),
    m.Closing: st.builds(m.Closing, st.lists(contributors, max_size=5).map(tuple), attachments),
    m.Omission: st.builds(
        m.Omission, indices, digests, st.sampled_from(get_args(m.OmissionReason)), indices
    ),
    m.SetLock: st.builds(m.SetLock, digests, st.binary(max_size=16)),
    m.Partial: st.builds(m.Partial, digests, digests, lists),
    m.Complaint: st.builds(m.Complaint, digests, indices, st.binary(max_size=32)),
    m.Refusal: st.builds(m.Refusal, words, indices, texts),
    m.Statement: st.builds(
        m.Statement, digests, counts, max_examples=counts, entries=st.binary(max_size=32)
    ),
    m.ModelEntries: st.builds(
        m.ModelEntries, digests, counts, st.lists(model_entries, max_size=3).map(tuple)
    ),
    m.CheckRequest: st.builds(m.CheckRequest, digests, digests),
    m.CheckPart: st.builds(m.CheckPart, digests, attachments),
    m.CardSeen: st.builds(m.CardSeen, cards),
    h.HandoverProposal: st.builds(
        h.HandoverProposal,
        digests,
        st.binary(max_size=50),
        st.lists(signatures, max_size=3).map(tuple),
    ),
    h.Consent: st.builds(h.Consent, digests),
    h.Arrival: st.builds(h.Arrival, digests, sealing_keys, one_sealing_key),
    h.DealingCommitment: st.builds(h.DealingCommitment, digests),
    h.HandedDealing: st.builds(
        h.HandedDealing,
        digests,
        big,
        st.lists(big, max_size=3).map(tuple),
        big,
        st.booleans(),
        st.lists(big, max_size=3).map(tuple),
    ),
    h.ShownPart: st.builds(h.ShownPart, big, proofs),
    h.PointAccusation: st.builds(h.PointAccusation, st.integers(1, 16), digests),
    h.BareWord: st.builds(h.BareWord, st.sampled_from(get_args(BARE_WORDS))),
    h.KeyInherited: st.builds(
        h.KeyInherited,
        counts,
        digests,
        st.binary(max_size=50),
        st.lists(digests, max_size=3).map(tuple),
    ),
    m.InheritedPart: st.builds(m.InheritedPart, st.integers(0, 255), st.binary(max_size=50)),
}
bodies = st.one_of(*BODIES.values())
posts = st.builds(Post, digests, names, indices, counts, counts, digests, bodies)
signed_posts = st.builds(SignedPost, st.binary(max_size=80), signatures)
purposes = st.sampled_from(["member", "status"])
numbers = st.binary(max_size=40)
REST: dict[Any, st.SearchStrategy[Any]] = {
    m.Attachment: attachments,
    m.Contributor: contributors,
    m.ModelEntry: model_entries,
    AddressCard: cards,
    # What is said before there is a channel, and the first thing on it.
    wire.Challenge: st.builds(wire.Challenge, digests, digests, signatures),
    wire.Hello: st.builds(wire.Hello, digests, st.binary(max_size=60)),
    wire.Confirmation: st.builds(wire.Confirmation, signatures),
    wire.Introduction: st.builds(
        wire.Introduction,
        digests,
        indices,
        st.binary(min_size=16, max_size=16),
        purposes,
        st.integers(1, MAX_CARD_NUMBER),
        st.just("wss://localhost:8443"),
        signatures,
    ),
    m.Ciphertexts: st.builds(
        m.Ciphertexts, st.binary(max_size=80), st.lists(numbers, max_size=3).map(tuple)
    ),
    Post: posts,
    SignedPost: signed_posts,
    Entry: st.builds(Entry, counts, digests, times, signed_posts),
    Epoch: st.builds(
        Epoch,
        digests,
        counts,
        st.integers(2, 16),
        st.integers(2, 16),
        numbers,
        numbers,
        st.booleans(),
        st.lists(numbers, max_size=3).map(tuple),
        numbers,
        numbers,
        st.lists(numbers, max_size=3).map(tuple),
        st.lists(numbers, max_size=3).map(tuple),
    ),
    EpochSecret: st.builds(EpochSecret, numbers, indices, st.booleans(), numbers, digests),
    SealContext: st.builds(SealContext, digests, names, texts, indices, indices),
}
FRAMES: dict[type, st.SearchStrategy[Any]] = {
    wire.NewerCard: st.builds(wire.NewerCard, cards),
    wire.Welcome: st.builds(wire.Welcome, counts, digests),
    wire.Rejected: st.builds(wire.Rejected, st.sampled_from(["busy", "fork", "bad-post"]), texts),
    wire.Subscribe: st.builds(wire.Subscribe, counts),
    wire.Entries: st.builds(
        wire.Entries, st.lists(st.binary(min_size=160, max_size=200), max_size=3).map(tuple), counts
    ),
    wire.Submit: st.builds(wire.Submit, signed_posts),
    wire.Accepted: st.builds(wire.Accepted, digests, counts),
    wire.Declined: st.builds(wire.Declined, digests, texts),
    wire.BlobAbsent: st.builds(wire.BlobAbsent, digests),
    wire.BlobOffer: st.builds(wire.BlobOffer, digests, st.integers(0, 1 << 20)),
    wire.BlobHave: st.builds(
        wire.BlobHave, digests, st.integers(0, 1 << 20), st.integers(0, 1 << 20), st.booleans()
    ),
    wire.BlobChunk: st.builds(
        wire.BlobChunk,
        digests,
        st.integers(0, 1 << 20),
        st.integers(0, 1 << 20),
        st.binary(max_size=60),
    ),
    wire.BlobRequest: st.builds(wire.BlobRequest, digests, st.integers(0, 1 << 20)),
    wire.TicketRequest: st.builds(wire.TicketRequest, ways, digests, st.integers(0, 1 << 20)),
    wire.Ticket: st.builds(
        wire.Ticket, ways, digests, st.integers(0, 1 << 20), st.from_regex(wire.QUERY)
    ),
    wire.StatusRequest: st.builds(wire.StatusRequest),
    wire.StatusReport: st.builds(wire.StatusReport, st.binary(max_size=60)),
}
ALL = [(m.Body, s) for s in BODIES.values()] + list(REST.items())
ALL += [*FRAMES.items(), *WORKS.items()]


def refused(data: bytes, kind: Any, limit: int = LIMIT) -> bool:
    try:
        decode(data, kind, "message", limit)
    except Malformed as error:
        return error.what == "message"
    return False


def test_every_body_and_every_frame_is_covered_here():
    assert set(BODIES) == set(get_args(m.Body))
    assert set(FRAMES) == set(get_args(wire.FromMember)) | set(get_args(wire.FromAggregator))


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize(("kind", "strategy"), ALL)
def test_messages_come_back_equal_from_their_bytes(kind, strategy, data):
    message = data.draw(strategy)
    encoded = encode(message)
    found = decode(encoded, kind, "message", LIMIT)
    assert found == message
    assert type(found) is type(message)
    assert encode(found) == encoded


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("kind", get_args(wire.FromAggregator))
def test_a_newer_card_is_known_by_its_beginning(kind, data):
    encoded = encode(data.draw(FRAMES[kind]))
    assert wire.begins_newer_card(encoded) is (kind is wire.NewerCard)


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize(("kind", "strategy"), ALL)
def test_every_truncation_and_every_trailing_byte_is_refused(kind, strategy, data):
    encoded = encode(data.draw(strategy))
    cut = data.draw(st.integers(0, len(encoded) - 1))
    assert refused(encoded[:cut], kind)
    assert refused(encoded + data.draw(st.binary(min_size=1, max_size=3)), kind)


@settings(max_examples=300)
@given(data=st.binary(max_size=200))
def test_garbage_is_refused_or_is_a_message_in_its_one_spelling(data):
    for kind in (m.Body, Post, Entry, wire.FromMember, wire.FromAggregator):
        if not refused(data, kind):
            assert encode(decode(data, kind, "message", LIMIT)) == data  # type: ignore[arg-type]


@pytest.mark.parametrize("wrap", [lambda c: [*c, 0], lambda c: c[:-1], lambda c: [*c, None]])
def test_a_field_too_many_or_too_few_is_refused(wrap):
    for message in (p.Ending(bytes(32)), m.SetLock(bytes(32)), m.Statement(bytes(32), 7)):
        content = msgspec.msgpack.decode(encode(message))
        assert refused(encode(wrap(content)), m.Body)


@pytest.mark.parametrize(
    "content",
    [
        ["no-such-tag", 5],
        ["", 5],
        [5],
        [],
        None,
        {"type": "ending", "plan": b"x" * 32},
        ["Ending", b"x" * 32],
        ["ending"],
        ["ending", b"x" * 31],
        ["withdrawal", b"x" * 33],
        ["approval", b"x" * 32, True],
        ["approval", b"x" * 32, True, 1],
        ["approval", b"x" * 31, True, True],
        ["lock", "x" * 32, b""],
        ["lock", b"x" * 31, b""],
        ["lock", b"x" * 33, b""],
        ["lock", b"x" * 32, b"f" * 17],
        ["lock", b"x" * 32],
        ["statement", b"x" * 32, 1 << 48, 0.5, 0, b""],
        ["abort", 17, "step", "reason", []],
        ["abort", -1, "step", "reason", []],
        ["abort", 0, "s" * 33, "reason", []],
        ["abort", 0, "step", "r" * 501, []],
        ["abort", 0, "step", "reason", [1] * 17],
        ["abort", 0, "step", "reason", [17]],
        ["overdue", "s" * 33, 0, 0],
        ["opening", b"x" * 31, b"x" * 32, b"x" * 32, 1, "hybrid", 0.5, 0],
        ["opening", b"x" * 32, b"x" * 32, b"x" * 32, 1, "rot13", 0.5, 0],
        ["opening", b"x" * 32, b"x" * 32, b"x" * 32, (1 << 30) + 1, "hybrid", 0.5, 0],
        ["contribution", b"x" * 32, [0, 1, b"x" * 32, b"x"], [], [["study/a/1"] * 65, []]],
        ["contribution", b"x" * 32, [0, 1, b"x" * 32, b"x"], [], [[], [7] * 65]],
        ["contribution", b"x" * 32, [0, 1, b"x" * 32, b"x"], [], [[], [-1]]],
        ["contribution", b"x" * 32, [0, 1, b"x" * 32, b"x"], [], [["round/1"], []]],
        ["check", b"x" * 32, b"x" * 31],
        ["check", b"x" * 32, b"x" * 33],
        ["join", b"x" * 2_049],
        ["certificate", b"x" * 32, b"x" * ((128 << 10) + 1)],
        ["step", "units", 0, 0, [[0, 1, b"x" * 32, b"x"]] * 18],
        ["partial", b"x" * 32, b"x" * 31, []],
        ["complaint", b"x" * 32, 17, b""],
        ["complaint", b"x" * 32, 1, b"x" * 33],
        ["step", "units", 0, 0, [[0, 4_097, b"x" * 32, b"x" * 4_097]]],
        ["step", "units", 0, 0, [[0, (64 << 20) + 1, b"x" * 32, b""]]],
        ["step", "units", 0, 0, [[17, 1, b"x" * 32, b"x"]]],
        ["closing", [[1, b"x" * 32]] * 17, [0, 1, b"x" * 32, b"x"], []],
        ["closing", [], [0, 1, b"x" * 32, b"x"], [b"x" * 32] * 4_097],
    ],
)
def test_unknown_tags_wrong_types_and_values_out_of_range_are_refused(content):
    assert refused(encode(content), m.Body)


def test_the_cases_above_fail_for_their_fault_alone():
    for content in (
        ["ending", b"x" * 32],
        ["approval", b"x" * 32, True, True],
        ["contribution", b"x" * 32, [0, 1, b"x" * 32, b"x"], [], [["study/a/1"] * 64, [7] * 64]],
        ["lock", b"x" * 32, b"f" * 16],
        ["overdue", "s" * 32, 0, 0],
        ["abort", 16, "s" * 32, "r" * 500, [16] * 16],
        ["step", "units", 0, 0, [[0, 1, b"x" * 32, b"x"]] * 16],
        ["closing", [[1, b"x" * 32]] * 16, [0, 1, b"x" * 32, b"x"], [b"x" * 32] * 4_096],
        ["opening", b"x" * 32, b"x" * 32, b"x" * 32, 1 << 30, "hybrid", 0.5, 0],
    ):
        assert not refused(encode(content), m.Body)


def spellings_of(message: Any) -> list[bytes]:
    """The same message in msgpack that is longer than it has to be."""
    data = encode(message)
    tag = message.__struct_config__.tag.encode()
    head = len(tag) + 2
    assert data[:head] == bytes([0x90 | data[0] & 15, 0xA0 | len(tag)]) + tag
    rest = data[head:]
    return [
        b"\xdc\x00" + bytes([data[0] & 15]) + data[1:],  # array16
        data[:1] + b"\xd9" + bytes([len(tag)]) + tag + rest,  # str8
        data[:1] + b"\xda\x00" + bytes([len(tag)]) + tag + rest,  # str16
        data[:1] + b"\xc4" + bytes([len(tag)]) + tag + rest,  # bin8
    ]


def test_longer_spellings_of_the_same_message_are_refused():
    for message in (p.Ending(bytes(32)), m.SetLock(bytes(32)), m.Abort(0, "moduli", "why")):
        assert not refused(encode(message), m.Body)
        for data in spellings_of(message):
            assert refused(data, m.Body)
    assert not refused(b"\x94\xa7overdue\xa1s\x05\x00", m.Body)
    assert refused(b"\x94\xa7overdue\xa1s\xcc\x05\x00", m.Body)  # 5 as uint8
    assert refused(b"\x94\xa7overdue\xa1s\xd0\x05\x00", m.Body)  # 5 as int8
    assert refused(b"\x92\xa4lock\xc5\x00\x20" + bytes(32), m.Body)  # bin16


def test_a_map_in_place_of_the_array_is_refused():
    class Named(msgspec.Struct, tag="ending"):
        plan: bytes

    assert refused(msgspec.msgpack.encode(Named(bytes(32))), m.Body)


def test_deep_nesting_is_refused():
    assert refused(b"\x91" * 100_000, m.Body)
    assert refused(b"\x91" * 100_000 + b"\x00", Post)


def test_a_message_over_the_limit_is_refused_before_it_is_read():
    data = encode(p.Ending(bytes(32)))
    assert not refused(data, m.Body, len(data))
    assert refused(data, m.Body, len(data) - 1)


def test_a_card_is_seen_in_the_session_of_its_number_alone():
    seen = m.CardSeen(AddressCard(7, "wss://a", b"", bytes(32), bytes(64)))
    assert belongs("address/7", 1, seen)
    assert not belongs("address/8", 1, seen)


AGGREGATOR_SAYS = {m.Opening, m.Closing, m.Omission}
MEMBERS_SAY_IN_HANDOVERS = {h.HandoverProposal, *get_args(h.Content)}
MEMBERS_SAY_OF_STUDIES = {p.Plan, p.Approval, p.Withdrawal, p.Ending}
MEMBERS_SAY_IN_CEREMONIES = {m.Join, m.Step, m.Certificate, m.Overdue, m.Abort, m.Disclosure}


@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.parametrize("kind", list(BODIES))
def test_who_may_say_what_where(kind, data):
    body = data.draw(BODIES[kind])
    places = set()
    address = f"address/{body.card.number}" if kind is m.CardSeen else "address/1"
    sessions = "ceremony/1", "study/age", "study/age/0", "study/age/1", "check/1", "check/0"
    handovers = "handover/1", "handover/0"
    for session in (*sessions, *handovers, "ceremony/0", address):
        for sender in (0, 1, 5):
            if belongs(session, sender, body):
                places.add((session, "aggregator" if sender == 0 else "member"))
    if kind in AGGREGATOR_SAYS:
        assert places == {("study/age/1", "aggregator")}
    elif kind in MEMBERS_SAY_IN_CEREMONIES:
        assert places == {("ceremony/1", "member")}
    elif kind in MEMBERS_SAY_IN_HANDOVERS:
        assert places == {("handover/1", "member")}
    elif kind in (h.KeyInherited, m.InheritedPart):
        assert places == {("handover/0", "member")}
    elif kind is m.CardSeen:
        assert places == {(address, "member")}
    elif kind in (m.CheckRequest, m.CheckPart):
        assert places == {("check/1", "member")}
    elif kind in MEMBERS_SAY_OF_STUDIES:
        assert places == {("study/age", "member")}
    elif kind in (m.Statement, m.ModelEntries):
        assert places == {("study/age/0", "member"), ("study/age/1", "member")}
    else:
        assert places == {("study/age/1", "member")}


@given(size=st.sampled_from([0, 1, MAX_INLINE_BYTES, MAX_INLINE_BYTES + 1, 9_000]))
def test_a_payload_travels_inline_or_as_a_blob_of_its_name(size):
    payload = bytes(size)
    attachment = attach(payload, 3)
    assert (attachment.to, attachment.size) == (3, size)
    assert attachment.digest == blob_name(payload) == sha256(payload).digest()
    assert attachment.is_blob == (size > MAX_INLINE_BYTES)
    assert attachment.data == (b"" if attachment.is_blob else payload)


@settings(max_examples=60)
@given(body=bodies)
def test_no_attachment_is_overlooked(body):
    def count(value: Any) -> int:
        if isinstance(value, m.Attachment):
            return 1
        if isinstance(value, tuple):
            return sum(map(count, value))
        if isinstance(value, msgspec.Struct):
            return sum(map(count, msgspec.structs.astuple(value)))
        return 0

    assert len(attachments_of(body)) == count(body)
