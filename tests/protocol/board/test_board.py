"""The board: what may come next, and what a fork looks like."""

import msgspec
import pytest

from protocol.board.board import Board
from protocol.board.post import MAX_ENTRY_BYTES, Entry, SignedPost, decode_entry
from protocol.encoding import encode
from protocol.errors import BadEntry, Fork, Malformed, ProtocolError
from protocol.messages.attachment import Attachment, attach
from protocol.messages.ceremony import Join
from protocol.messages.check import CheckRequest
from protocol.messages.rounds import (
    Closing,
    Complaint,
    Contribution,
    Opening,
    Partial,
    SetLock,
    Statement,
)
from tests.stage.studies import statistic_plan, statistic_study
from tests.stage.toy import Table, next_post, replace_terms, toy_federation

TOY = toy_federation()
CHECK = CheckRequest(bytes(32), bytes(32))  # a post that anybody may make any time
SAID = "check/1"
ROUND, PLAN = "study/age/1", statistic_plan(TOY.terms)


def table() -> Table:
    """A table with three posts on its board, by members 1 and 2."""
    found = Table(TOY)
    found.put(found.sign(SAID, 1, CHECK))
    found.put(found.sign(SAID, 2, CHECK))
    found.put(found.sign("ceremony/1", 1, Join(b"key", bytes(32))))
    return found


def in_study() -> Table:
    """The same, and a study that all have approved, with members 1, 2, 3 and 5."""
    found = table()
    found.found(statistic_study(TOY.terms, members=(1, 2, 3, 5)))
    return found


def refusal(board: Board, signed: SignedPost) -> BadEntry:
    """The error for a post that may not come next; the board stays as it is."""
    before = board.head
    with pytest.raises(BadEntry) as raised:
        board.extend(signed, 0)
    entry = Entry(before.position + 1, before.hash, 0, signed)
    with pytest.raises(BadEntry):
        board.append(entry)
    assert board.head == before
    assert raised.value.position == before.position + 1
    return raised.value


def test_posts_are_chained_and_counted_by_session_and_sender():
    board = table().board
    assert [posted.position for posted in board.entries] == [1, 2, 3]
    assert board.head == (3, board.entries[-1].hash)
    assert [board.hash_at(k) for k in range(1, 4)] == [p.hash for p in board.entries]
    assert board.hash_at(4) is None
    assert board.hash_at(-1) is None
    assert (board.count(SAID, 1), board.count("ceremony/1", 1)) == (1, 1)
    assert (board.count("ceremony/1", 2), board.count(ROUND, 1)) == (0, 0)
    assert [p.post.sender for p in board.session(SAID)] == [1, 2]


def test_equal_entries_give_equal_heads_and_any_other_entry_another():
    genesis = Board(TOY.terms).head.hash
    one, two = (Table(TOY).sign(SAID, i, CHECK, seen_position=0, seen=genesis) for i in (1, 2))
    assert head_of([one, two], 5) == head_of([one, two], 5)
    assert len({head_of([one, two], 5), head_of([two, one], 5), head_of([one, two], 6)}) == 3


def head_of(posts: list[SignedPost], time_ms: int) -> bytes:
    board = Board(TOY.terms)
    for signed in posts:
        board.append(board.extend(signed, time_ms))
    return board.head.hash


@pytest.mark.parametrize("sequence", [0, 2, 7])
def test_a_post_out_of_its_senders_sequence_is_refused(sequence):
    found = table()
    error = refusal(found.board, found.sign(SAID, 1, CHECK, sequence=sequence))
    assert error.sender == 1
    assert "number" in error.reason


def test_the_same_post_twice_is_refused():
    found = table()
    signed = found.sign(SAID, 3, CHECK)
    found.put(signed)
    assert refusal(found.board, signed).sender == 3


def test_a_post_signed_for_another_session_does_not_fit_there():
    """The session is signed: its bytes can't be moved, and a copy needs a new signature."""
    found = table()
    signed = found.sign("check/2", 3, CHECK)
    moved = msgspec.structs.replace(signed, post=signed.post.replace(b"check/2", b"check/3"))
    assert moved.post != signed.post
    assert "signature" in refusal(found.board, moved).reason


def test_a_post_of_another_federation_is_refused():
    other = Table(toy_federation(name="Other"))
    signed = other.sign(SAID, 1, CHECK)
    assert "federation" in refusal(Board(TOY.terms), signed).reason
    forged = table()
    stolen = forged.sign(SAID, 3, CHECK, federation=other.federation.terms.federation)
    assert "federation" in refusal(forged.board, stolen).reason


def test_a_post_signed_by_another_key_is_refused():
    found = table()
    for signer in (0, 1, 2, 4):
        post = next_post(TOY.keys[signer], found.board, SAID, 3, CHECK)
        error = refusal(found.board, post)
        assert (error.sender, error.reason) == (3, "its signature does not fit")


def test_a_sender_outside_the_roster_is_refused():
    larger = Table(toy_federation(6, 4))
    small = Board(TOY.terms)
    signed = larger.sign(SAID, 6, CHECK, federation=TOY.terms.federation, seen=small.head.hash)
    error = refusal(small, signed)
    assert (error.sender, error.reason) == (6, "its sender is not a member")


OPENING = Opening(bytes(32), bytes(32), bytes(32), 3)
CLOSING = Closing((), attach(b"sum"))


@pytest.mark.parametrize(
    ("session", "sender", "body"),
    [
        (ROUND, 1, OPENING),
        (ROUND, 1, CLOSING),
        (SAID, 0, CHECK),
        (ROUND, 0, SetLock(bytes(32))),
        ("study/age", 0, PLAN),
        (ROUND, 1, PLAN),
        ("study/age", 1, SetLock(bytes(32))),
        ("study/age", 0, OPENING),
        ("study/age/0", 0, OPENING),
        ("ceremony/1", 0, Join(b"key", bytes(32))),
        ("ceremony/1", 0, OPENING),
        ("ceremony/1", 1, CHECK),
        (ROUND, 1, CHECK),
        (ROUND, 1, Join(b"key", bytes(32))),
        (ROUND, 0, Statement(bytes(32), 3)),
    ],
)
def test_nobody_says_what_is_not_his_to_say_there(session, sender, body):
    found = table()
    error = refusal(found.board, found.sign(session, sender, body))
    assert error.sender == sender
    assert "may not say" in error.reason


def test_the_aggregator_opens_and_closes():
    found = table()
    found.put(found.sign(ROUND, 0, OPENING))
    found.put(found.sign(ROUND, 0, CLOSING))
    assert found.board.count(ROUND, 0) == 2


def test_a_sender_who_saw_another_entry_is_a_fork():
    found = table()
    for position, seen in ((3, bytes(32)), (2, found.board.head.hash), (0, found.board.head.hash)):
        signed = found.sign(SAID, 3, CHECK, seen_position=position, seen=seen)
        with pytest.raises(Fork) as raised:
            found.board.extend(signed, 0)
        assert raised.value.position == position
        assert "sender 3" in raised.value.reason


def test_a_sender_who_saw_entries_that_are_not_here_is_a_fork():
    found = table()
    signed = found.sign(SAID, 3, CHECK, seen_position=4, seen=bytes(32))
    with pytest.raises(Fork):
        found.board.extend(signed, 0)


def test_two_boards_that_differ_part_at_the_first_post_that_crosses():
    one, other = table(), Table(TOY)
    other.put(other.sign(SAID, 1, CHECK))
    other.put(other.sign(SAID, 3, CHECK))
    crossing = one.sign(SAID, 4, CHECK, seen_position=2, seen=one.board.hash_at(2))
    one.put(crossing)
    with pytest.raises(Fork):
        other.board.extend(crossing, 0)


def test_a_sender_may_lag_behind_but_not_go_back():
    found = table()
    board = found.board
    lagging = found.sign(SAID, 3, CHECK, seen_position=1, seen=board.hash_at(1))
    found.put(lagging)
    back = found.sign("check/2", 3, CHECK, seen_position=0, seen=board.hash_at(0))
    assert "saw less" in refusal(board, back).reason


def test_an_entry_at_another_position_or_after_another_entry_is_a_fork():
    found = table()
    entry = found.board.extend(found.sign(SAID, 3, CHECK), 0)
    for changes in (
        {"position": 3},
        {"position": 5},
        {"previous": found.board.hash_at(2)},
        {"previous": bytes(32)},
    ):
        before = found.board.head
        with pytest.raises(Fork):
            found.board.append(msgspec.structs.replace(entry, **changes))
        assert found.board.head == before
    found.board.append(entry)


def test_a_flipped_bit_anywhere_in_an_entry_is_refused():
    found = table()
    data = encode(found.board.extend(found.sign(ROUND, 3, SetLock(b"s" * 32)), 7))
    head, time_flips = found.board.head, 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        board = Board(TOY.terms)
        for entry in found.entries:
            board.append(entry)
        try:
            board.append(decode_entry(bytes(damaged)))
        except ProtocolError:
            assert board.head == head
        else:
            # Only the aggregator's clock is not signed; the chain still tells the boards apart.
            time_flips += 1
            assert board.head.hash != decode_entry(data).hash
    assert time_flips <= 7


def test_an_entry_longer_than_any_is_not_decoded():
    with pytest.raises(Malformed):
        decode_entry(bytes(MAX_ENTRY_BYTES + 1))


def test_a_post_that_does_not_decode_names_nobody():
    found = table()
    error = refusal(found.board, SignedPost(b"\x90", bytes(64)))
    assert error.sender == 0


PAYLOAD = b"payload"
FITTING = attach(PAYLOAD)
LARGE = attach(bytes(5_000))


@pytest.mark.parametrize(
    "attachment",
    [
        msgspec.structs.replace(FITTING, size=8),
        msgspec.structs.replace(FITTING, size=6),
        msgspec.structs.replace(FITTING, data=b"payloaf"),
        msgspec.structs.replace(FITTING, digest=bytes(32)),
        msgspec.structs.replace(FITTING, to=6),
        attach(PAYLOAD, 2),
        msgspec.structs.replace(LARGE, data=b"x"),
        msgspec.structs.replace(LARGE, size=4_096),
    ],
)
def test_an_attachment_that_is_not_what_it_says_is_refused(attachment: Attachment):
    found = table()
    error = refusal(found.board, found.sign(ROUND, 3, Contribution(bytes(32), attachment)))
    assert error.sender == 3
    assert "attachment" in error.reason


EACH = tuple(attach(b"key", i) for i in (1, 2, 3, 5))
FOR_ALL = attach(b"parts")


@pytest.mark.parametrize(
    "attachments",
    [
        (FOR_ALL, *EACH, attach(b"other", 0)),
        (FOR_ALL, *EACH, attach(b"other", 2)),
        EACH,
        (FOR_ALL, *EACH[1:]),
        (FOR_ALL, *EACH, attach(b"key", 4)),
        (FOR_ALL, *EACH, attach(b"key", 6)),
        (),
    ],
)
def test_a_partial_is_once_for_all_with_a_key_for_each_reader(attachments: tuple[Attachment, ...]):
    """Member 4 has none: the sum is not for it."""
    found = in_study()
    wrong = Partial(bytes(32), bytes(32), attachments)
    error = refusal(found.board, found.sign(ROUND, 3, wrong))
    assert "attachment" in error.reason
    found.put(found.sign(ROUND, 3, Partial(bytes(32), bytes(32), (FOR_ALL, *EACH))))


def test_nobody_releases_a_part_in_a_study_that_was_not_proposed():
    found = table()
    said = Partial(bytes(32), bytes(32), (FOR_ALL, *EACH))
    assert "attachment" in refusal(found.board, found.sign(ROUND, 3, said)).reason


@pytest.mark.parametrize(("member", "size"), [(0, 0), (6, 32), (2, 1), (2, 31)])
def test_a_complaint_is_about_a_member_with_a_whole_key_or_none(member: int, size: int):
    found = table()
    wrong = Complaint(bytes(32), member, bytes(size))
    assert refusal(found.board, found.sign(ROUND, 3, wrong)).sender == 3
    for size in (0, 32):
        found.put(found.sign(ROUND, 3, Complaint(bytes(32), 2, bytes(size))))


@pytest.mark.parametrize("attachment", [FITTING, LARGE, attach(b"")])
def test_an_attachment_that_fits_is_accepted(attachment: Attachment):
    found = table()
    found.put(found.sign(ROUND, 3, Contribution(bytes(32), attachment)))


def test_a_board_of_other_terms_begins_elsewhere():
    other = replace_terms(TOY.terms, quorum=4)
    assert Board(TOY.terms).head.hash != Board(other).head.hash
