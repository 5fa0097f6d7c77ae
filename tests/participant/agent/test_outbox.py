"""The outbox: what is in it is sent, what is not has never been said."""

import pytest

from participant.agent.outbox import Outbox, store_blob
from participant.errors import DamagedFile
from protocol.board.post import Post, SignedPost, sign_post
from protocol.errors import Malformed
from protocol.messages.attachment import attach, blob_name
from protocol.messages.bodies import Body
from protocol.messages.fields import MAX_CHUNKS
from protocol.messages.rounds import Contribution, Refusal, SetLock, Statement
from tests.simulator.disk import Crash, Disk
from tests.stage.toy import toy_federation

FEDERATION = toy_federation(3, 2)
BLOBS = tuple(bytes([k]) * (k + 1) for k in range(5))


def post(body: Body, session: str = "study/cardio/1") -> SignedPost:
    federation = FEDERATION.terms.federation
    return sign_post(Post(federation, session, 1, 0, 0, bytes(32), body), FEDERATION.keys[1])


def signed(*vector: bytes) -> SignedPost:
    return post(Contribution(bytes(32), attach(b""), vector) if vector else Statement(bytes(32), 1))


def stored(disk: Disk) -> tuple[bytes, ...]:
    return tuple(store_blob(disk, blob) for blob in BLOBS)


def test_blobs_stored_ahead_belong_to_their_post_after_a_restart() -> None:
    disk = Disk()
    outbox = Outbox(disk)
    names = stored(disk)
    outbox.put(signed(), (b"one more",), names)
    again = Outbox(disk)
    assert again.pending == outbox.pending
    assert again.sizes == {blob_name(b"one more"): 8, **dict(zip(names, range(1, 6), strict=True))}
    assert [again.blob(name) for name in names] == list(BLOBS)
    again.settle()
    assert disk.names("outbox/") == []


def test_a_post_that_nobody_can_read_is_not_kept() -> None:
    """Else the folder would be of no use: each later command reads what is pending first."""
    disk = Disk()
    with pytest.raises(Malformed):
        Outbox(disk).put(post(Statement(bytes(32), True)), ())
    assert Outbox(disk).pending is None


def test_blobs_that_no_post_came_to_need_are_gone_at_the_next_start() -> None:
    disk = Disk()
    Outbox(disk)
    stored(disk)  # and then the process dies
    assert Outbox(disk).pending is None
    assert disk.names("outbox/") == []


def test_a_crash_anywhere_leaves_the_whole_post_or_nothing() -> None:
    for changes in range(100):
        disk = Disk()
        outbox = Outbox(disk)
        disk.dies_after(changes)
        try:
            outbox.put(signed(), BLOBS[:2], tuple(store_blob(disk, b) for b in BLOBS[2:]))
            outbox.settle()
        except Crash:
            disk.hook = lambda: None
            again = Outbox(disk)
            needed = again.pending.blobs if again.pending else ()
            assert sorted(map(again.blob, needed)) == sorted(BLOBS if needed else ())  # type: ignore[type-var]
            assert len(disk.names("outbox/blob-")) == len(needed)
        else:
            break
    assert changes > 20
    assert not disk.files


def test_blobs_for_the_next_post_outlive_the_end_of_the_one_before() -> None:
    disk = Disk()
    outbox = Outbox(disk)
    outbox.put(signed(), (b"before",))
    names = stored(disk)
    outbox.settle()
    outbox.put(signed(), (), names)
    assert [outbox.blob(name) for name in names] == list(BLOBS)


def test_storing_a_blob_twice_is_storing_it_once() -> None:
    disk = Disk()
    assert store_blob(disk, b"same") == store_blob(disk, b"same") == blob_name(b"same")
    assert len(disk.files) == 1


@pytest.mark.parametrize("damage", [None, b"other"])
def test_a_post_whose_blob_is_not_there_is_not_made(damage: bytes | None) -> None:
    disk = Disk()
    outbox = Outbox(disk)
    names = stored(disk)
    file = f"outbox/blob-{names[3].hex()}"
    disk.delete(file)
    if damage is not None:
        disk.write(file, damage)
    with pytest.raises(DamagedFile) as caught:
        outbox.put(signed(), (), names)
    assert caught.value.path == f"outbox/blob-{names[3].hex()}"
    assert Outbox(disk).pending is None


def test_the_largest_vector_fits() -> None:
    disk = Disk()
    outbox = Outbox(disk)
    names = tuple(store_blob(disk, k.to_bytes(2)) for k in range(MAX_CHUNKS))
    outbox.put(signed(*names), (), names)
    again = Outbox(disk)
    assert again.pending is not None
    assert again.pending.blobs == names


def test_blobs_are_kept_in_the_storage_and_not_in_memory() -> None:
    disk = Disk()
    outbox = Outbox(disk)
    names = stored(disk)
    outbox.put(signed(), (), names)
    disk.files[f"outbox/blob-{names[0].hex()}"] = b"changed behind its back"
    with pytest.raises(DamagedFile):
        outbox.blob(names[0])


# ── the vector of a contribution ──

LOCK = SetLock(bytes(32), bytes(16))


def contributed(disk: Disk) -> Outbox:
    """An outbox whose contribution is on the board."""
    outbox = Outbox(disk)
    outbox.put(signed(*stored(disk)), (b"the ciphertexts",), tuple(map(blob_name, BLOBS)))
    outbox.settle()
    return outbox


def is_kept(outbox: Outbox) -> bool:
    """Whether the whole vector is there, or none of it."""
    found = [outbox.blob(blob_name(blob)) for blob in BLOBS]
    assert found in (list(BLOBS), [None] * len(BLOBS))
    return found[0] is not None


def test_a_vector_stays_until_its_rounds_lock_is_on_the_board() -> None:
    disk = Disk()
    outbox = contributed(disk)
    for again in (outbox, Outbox(disk)):
        assert is_kept(again)
        assert again.holds(blob_name(BLOBS[0]))
        assert again.pending is None
    assert outbox.blob(blob_name(b"the ciphertexts")) is None
    assert len(disk.names("outbox/blob-")) == len(BLOBS)
    outbox.put(post(LOCK, "study/age/1"), ())
    outbox.settle()
    assert is_kept(outbox)
    outbox.put(post(LOCK), ())
    assert is_kept(outbox)
    outbox.settle()
    assert not is_kept(outbox)
    assert disk.files == {}


@pytest.mark.parametrize("body", [Refusal("one-set", 0, "why"), Statement(bytes(32), 1)])
def test_a_vector_goes_when_its_round_is_refused_or_over(body: Body) -> None:
    disk = Disk()
    outbox = contributed(disk)
    outbox.put(post(body), ())
    outbox.settle()
    assert disk.files == {}


def test_the_next_contribution_takes_a_vectors_place() -> None:
    disk = Disk()
    outbox = contributed(disk)
    name = store_blob(disk, b"next")
    body = Contribution(bytes(32), attach(b""), (name,))
    outbox.put(post(body, "study/cardio/2"), (), (name,))
    assert is_kept(outbox)
    outbox.settle()
    assert not is_kept(outbox)
    assert outbox.blob(name) == b"next"
    assert disk.names("outbox/") == [f"outbox/blob-{name.hex()}", "outbox/kept"]


@pytest.mark.parametrize("damage", [None, b"other"])
def test_a_kept_blob_that_is_damaged_is_as_if_it_were_not_here(damage: bytes | None) -> None:
    disk = Disk()
    outbox = contributed(disk)
    name = blob_name(BLOBS[3])
    disk.delete(f"outbox/blob-{name.hex()}")
    if damage is not None:
        disk.write(f"outbox/blob-{name.hex()}", damage)
    assert outbox.blob(name) is None
    assert not outbox.holds(name)
    assert outbox.blob(blob_name(BLOBS[2])) == BLOBS[2]
    outbox.put(post(LOCK), ())
    outbox.settle()
    assert disk.files == {}


def test_a_damaged_record_lets_go_of_the_vector() -> None:
    disk = Disk()
    contributed(disk)
    disk.write("outbox/kept", b"damaged")
    assert not is_kept(Outbox(disk))
    assert disk.names("outbox/blob-") == []


def test_a_crash_anywhere_keeps_the_vector_or_frees_its_disk() -> None:
    for changes in range(100):
        disk, said = Disk(), list[str]()
        outbox = Outbox(disk)
        disk.dies_after(changes)
        try:
            outbox.put(signed(*stored(disk)), (), tuple(map(blob_name, BLOBS)))
            said.append("contribution")
            outbox.settle()
            said.append("kept")
            outbox.put(post(LOCK), ())
            said.append("lock")
            outbox.settle()
        except Crash:
            disk.hook = lambda: None
            again = Outbox(disk)
            held = len(BLOBS) if is_kept(again) else 0
            assert len(disk.names("outbox/blob-")) == held, "nothing leaks"
            if said and "lock" not in said:
                assert held, "the lock still needs it"
            if again.pending:
                again.settle()
        else:
            assert not disk.files
            break
    assert changes > 20
