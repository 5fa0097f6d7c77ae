"""Records broken in their files, their terms and their board."""

from collections.abc import Callable

import msgspec

from protocol.board.post import Head, SignedPost
from protocol.encoding import encode
from protocol.messages.bodies import CardSeen
from protocol.messages.rounds import Closing, Contribution, Partial, SetLock, Statement
from protocol.record.audit.results import RECORD
from protocol.record.files import blob_path, countersign, head_path
from protocol.signing import sign
from protocol.terms.address_card import sign_card
from tests.stage.files import flipped
from tests.stage.record.good import AGES, ROUND, Good
from tests.stage.record.story import Story, Written, write
from tests.stage.record.tampering import (
    AGGREGATOR,
    LAST,
    TAMPERINGS,
    Broken,
    rechained,
    retold,
    tampering,
    told,
)

# ── files ──


Change = Callable[[bytes], bytes | None]


def _with_file(
    written: Written, check: str, entry: int, party: str, path: str, change: Change
) -> Broken:
    """A file is something else, or missing where that is None."""
    data = change(written.files.pop(path, b""))
    written.files |= {} if data is None else {path: data}
    return Broken(written.files, check, entry, party)


def filed(name: str, check: str, party: str, path: str, change: Change) -> None:
    """Enter that a file is something else."""
    TAMPERINGS[name] = lambda made: _with_file(write(made.story), check, 0, party, path, change)


def entered(name: str, position: int, change: Change) -> None:
    """Enter that the file of an entry is something else."""

    def make(made: Good) -> Broken:
        written = write(made.story)
        return _with_file(written, "2.1", position, RECORD, written.path(position), change)

    TAMPERINGS[name] = make


def _replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)


_TERMS, _MANIFEST, _NONE = "federation.toml", "record.json", lambda data: None
filed("terms_unreadable", "1.1", RECORD, _TERMS, _replaced(b"key_bits", b"key_bots"))
filed("terms_altered_after_signing", "1.3", "H2", _TERMS, _replaced(b"quorum = 3", b"quorum = 4"))
filed("manifest_in_another_form", "1.1", RECORD, _MANIFEST, _replaced(b"  ", b""))
entered("entry_flipped", 100, flipped)
entered("entry_removed", 150, _NONE)
entered("first_entry_removed", 1, _NONE)
filed("file_too_many", "2.1", RECORD, "entries/notes.txt", lambda data: b"trust me")
filed("blob_too_many", "2.1", RECORD, blob_path(bytes(32)), lambda data: bytes(5_000))
filed("countersignature_that_does_not_read", "2.5", "H3", head_path(3), lambda d: flipped(d, 0))


def _blob(name: str, change: Change) -> None:
    """Enter that the blob of a contribution is something else, or missing."""

    def make(made: Good) -> Broken:
        position, blob = _a_blob(made.story)
        party, path = _name(made, position), blob_path(blob)
        return _with_file(write(made.story), "2.4", position, party, path, change)

    TAMPERINGS[name] = make


_blob("blob_missing", _NONE)
_blob("blob_flipped", flipped)
_blob("blob_too_short", lambda data: data[:-1])


@tampering
def another_federation_in_the_manifest(made: Good) -> Broken:
    files = write(made.story).files
    identity = made.story.federation.terms.federation
    changed = flipped(identity).hex().encode()
    files["record.json"] = files["record.json"].replace(identity.hex().encode(), changed)
    return Broken(files, "1.1", 0, RECORD)


@tampering
def wrong_fingerprint(made: Good) -> Broken:
    identity = made.story.federation.terms.federation
    return Broken(write(made.story).files, "1.2", 0, RECORD, fingerprint=flipped(identity[:16]))


@tampering
def terms_not_signed_by_all(made: Good) -> Broken:
    files = write(made.story).files
    files["federation.toml"] = made.story.federation.signed_text(3).encode()
    return Broken(files, "1.3", 0, "H3")


@tampering
def head_changed(made: Good) -> Broken:
    written = write(made.story)
    head = written.head.hash.hex().encode()
    changed = written.files["record.json"].replace(head, flipped(written.head.hash).hex().encode())
    written.files["record.json"] = changed
    return Broken(written.files, "2.1", written.head.position, RECORD)


@tampering
def board_that_begins_elsewhere(made: Good) -> Broken:
    files = rechained(write(made.story), begin=bytes(32))
    return Broken(files, "2.1", 1, RECORD)


@tampering
def blob_of_another_size_than_posted(made: Good) -> Broken:
    story = made.story.until(ROUND[2])
    position, _ = _a_blob(story)
    ciphertexts = story.body(position, Contribution).ciphertexts
    longer = msgspec.structs.replace(ciphertexts, size=ciphertexts.size + 1)
    story.alter(position, ciphertexts=longer)
    return told(story, "2.4", position)


def _a_blob(story: Story) -> tuple[int, bytes]:
    """A contribution to round 2 whose ciphertexts are a blob."""
    position = story.find(ROUND[2], Contribution, 3)
    ciphertexts = story.body(position, Contribution).ciphertexts
    assert ciphertexts.is_blob
    return position, ciphertexts.digest


def _name(made: Good, position: int) -> str:
    return made.story.federation.terms.name_of(made.story.at(position).sender)


# ── the board ──


@tampering
def signatures_swapped(made: Good) -> Broken:
    written = write(made.story)
    place = made.story.find(LAST, SetLock, 2)

    def swap(position: int, post: SignedPost) -> SignedPost:
        if position not in (place, place + 1):
            return post
        other = written.entries[2 * place - position]
        return SignedPost(post.post, other.post.signature)

    return Broken(rechained(written, swap), "2.2", place, "H2")


@tampering
def posts_of_one_sender_swapped(made: Good) -> Broken:
    story = made.story.copy()
    first, second = story.find(LAST, SetLock, 1), story.find(LAST, Partial, 1)
    story.change(first, falsified={"sequence": 2})
    story.change(second, falsified={"sequence": 1})
    return Broken(write(story).files, "2.2", first, "H1")


retold("post_forged", "2.2", SetLock, 3, "H3", signer=0)
retold("post_by_a_stranger", "2.2", SetLock, 4, "member 5", sender=5, signer=4)
retold("closing_by_a_member", "2.2", Closing, 0, "H2", sender=2)
retold("post_of_another_federation", "2.2", Statement, 1, "H1", falsified={"federation": bytes(32)})
retold("another_board_seen", "2.3", Partial, 3, "H3", falsified={"seen": bytes(32)})
retold("time_running_backwards", "2.6", SetLock, 1, AGGREGATOR, time_ms=1)


@tampering
def post_not_in_canonical_form(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(AGES, Statement, 1)
    # A whole number in nine bytes that one would hold reads as the same.
    written = write(story)
    post = written.entries[place - 1].post.post
    said, end = encode(story.at(place).body), encode((0.0, 0, b"", ""))[1:]
    assert post.endswith(said)
    assert said.endswith(b"\x02" + end)  # the length, and what follows it
    spelled = post[: -len(end) - 1] + b"\xcf" + (2).to_bytes(8, "big") + end
    key = story.federation.keys[1]
    signed = SignedPost(spelled, sign(key, "quorate/post signature", spelled))
    files = rechained(written, lambda position, post: signed if position == place else post)
    return Broken(files, "2.2", place, AGGREGATOR)


@tampering
def post_dropped_and_chained_again(made: Good) -> Broken:
    place = made.story.find(LAST, SetLock, 2)
    files = rechained(write(made.story), lambda position, post: None if position == place else post)
    return Broken(files, "2.3", place, _name(made, place + 1))


@tampering
def truncated_before_a_countersigned_head(made: Good) -> Broken:
    whole, story = write(made.story), made.story.until(ROUND[2])
    files = write(story).files
    files[head_path(2)] = whole.files[head_path(2)]
    return Broken(files, "2.5", whole.head.position, "H2")


def countersigned(
    name: str, member: int, signer: int, head: Head | None = None, identity: bytes = b""
) -> None:
    """Enter that a member's countersignature is another's, of another head or federation."""

    def make(made: Good) -> Broken:
        written, federation = write(made.story), made.story.federation
        about = identity or federation.terms.federation, member, head or written.head
        said = countersign(*about, federation.keys[signer])
        written.files[head_path(member)] = encode(said)
        return Broken(written.files, "2.5", head.position if head else 0, f"H{member}")

    TAMPERINGS[name] = make


countersigned("another_head_countersigned", 4, 4, head=Head(50, bytes(32)))
countersigned("countersignature_forged", 1, 0)
countersigned("countersignature_for_another_federation", 1, 1, identity=bytes(32))


@tampering
def countersignature_of_another_member(made: Good) -> Broken:
    written = write(made.story)
    written.files[head_path(1)] = written.files[head_path(2)]
    return Broken(written.files, "2.5", 0, "H1")


@tampering
def end_signed_by_nobody(made: Good) -> Broken:
    story = made.story.copy()
    story.countersigning = ()
    end = len(story.said)
    return Broken(write(story).files, "2.5", end, AGGREGATOR, is_failure=False)


@tampering
def entries_removed_since(made: Good) -> Broken:
    since, story = write(made.story).head, made.story.until(ROUND[2])
    return Broken(write(story).files, "2.7", since.position, RECORD, since=since)


@tampering
def history_changed_since(made: Good) -> Broken:
    since, story = write(made.story).head, made.story.copy()
    story.change(len(story.said), time_ms=10**9)
    return Broken(write(story).files, "2.7", since.position, RECORD, since=since)


@tampering
def two_cards_of_one_number(made: Good) -> Broken:
    """The aggregator sends H2 elsewhere than the others, under the same number."""
    story = made.story.copy()
    place = story.find("address/1", CardSeen, 2)
    other = sign_card(story.federation.keys[0], 1, "wss://elsewhere", b"p" * 32)
    story.change(place, body=CardSeen(other))
    return told(story, "2.8", place, AGGREGATOR, is_failure=False)
