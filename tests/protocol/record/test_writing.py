"""A record is written once, extended, and refused where it does not belong."""

from unittest.mock import patch

import pytest

from protocol.board.draft import Draft, public_payload
from protocol.board.post import Head
from protocol.encoding import encode
from protocol.errors import Fork, UnfitRecord
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Abort, Certificate, Step
from protocol.record import writing
from protocol.record.files import (
    FOLDERS,
    MANIFEST_PATH,
    Manifest,
    blob_path,
    countersign,
    entry_path,
    head_path,
    read_entries,
    read_manifest,
    write_manifest,
)
from protocol.record.writing import (
    check_history,
    countersignatures,
    finish,
    prepare,
    signed_text,
    still_to_write,
    write_entries,
    written,
)
from protocol.terms.terms import parse, require_signed
from tests.stage.record.memory import MemoryFiles
from tests.stage.toy import CEREMONY, Table, toy_federation

TOY = toy_federation(3, 2)
SIGNATURES = TOY.signatures


class Files(MemoryFiles):
    """A record in memory; ``writes`` is the order in which its files were written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, path: str, data: bytes) -> None:
        self.writes.append(path)
        self[path] = data

    def settle(self) -> None:
        self.writes.append("settled")


def table(*reasons: str) -> Table:
    """A ceremony with a large payload for all and a sealed one, then so many aborts."""
    found = Table(TOY)
    (public,), blobs = public_payload(b"p" * 5000)
    step = Step("deal", 0, 0, (public, attach(b"s" * 5000, 2)))
    found.say(1, Draft(CEREMONY, step, (*blobs, b"s" * 5000)))
    for reason in reasons:
        found.say(2, Draft(CEREMONY, Abort(0, "deal", reason)))
    return found


def write(files: Files, at: Table) -> Head:
    """What both programs do."""
    prepare(files, TOY.terms, SIGNATURES)
    check_history(files, TOY.terms, at.board)
    before = written(files, TOY.terms)
    write_entries(files, at.entries[before.whole_to :], before)
    due = still_to_write(files, at.board, before)
    for attachment in due.missing:
        files.write(blob_path(attachment.digest), at.blobs[attachment.digest])
    finish(files, TOY.terms, at.board.head, due.payloads)
    return at.board.head


def countersigned(files: Files, member: int, head: Head) -> None:
    said = countersign(TOY.terms.federation, member, head, TOY.keys[member])
    files[head_path(member)] = encode(said)


def test_the_terms_come_first_and_the_manifest_last() -> None:
    files, at = Files(), table()
    head = write(files, at)
    assert files.writes[:2] == ["federation.toml", "settled"]
    assert files.writes[-3:] == ["settled", "record.json", "settled"]
    text = parse(files["federation.toml"].decode())
    terms, signatures = text.terms, text.signatures
    require_signed(terms, signatures)
    assert terms == TOY.terms
    assert read_manifest(files["record.json"]).head == head
    assert [e.hash for e in read_entries(files, head)] == [p.hash for p in at.board.entries[::-1]]


def test_only_payloads_for_all_are_in_it_until_a_ceremony_is_aborted() -> None:
    files = Files()
    write(files, table())
    assert [data[:1] for path, data in files.items() if path.startswith("blobs/")] == [b"p"]
    write(files, table("why"))
    assert {data[:1] for path, data in files.items() if path.startswith("blobs/")} == {b"p", b"s"}


def test_an_abort_after_all_have_certified_shows_nothing_sealed() -> None:
    at = table()
    for member in (1, 2, 3):
        at.say(member, Draft(CEREMONY, Certificate(bytes(32), b"epoch")))
    at.say(2, Draft(CEREMONY, Abort(0, "certificate", "too late")))
    files = Files()
    write(files, at)
    assert [data[:1] for path, data in files.items() if path.startswith("blobs/")] == [b"p"]


def test_a_second_run_writes_only_what_is_new() -> None:
    files, longer = Files(), table("why")
    write(files, table())
    files.writes.clear()
    write(files, longer)
    assert entry_path(longer.entries[-1].hash) in files.writes
    assert not {"federation.toml", entry_path(longer.entries[0].hash)} & set(files.writes)
    files.writes.clear()
    write(files, longer)
    assert set(files.writes) == {"settled"}


def test_a_second_run_reads_only_what_is_new() -> None:
    files, longer = Files(), table("why")
    write(files, table())
    old = {path for path in files if path.startswith(FOLDERS)}
    read, files.read = list[str](), lambda path, limit: read.append(path) or files.get(path)
    write(files, longer)
    assert not old & set(read)
    assert entry_path(longer.entries[-1].hash) in read


@pytest.mark.parametrize("folder", ["entries/", "blobs/"])
def test_a_file_that_is_missing_is_written_again(folder: str) -> None:
    files, at = Files(), table()
    write(files, at)
    whole = dict(files)
    del files[next(p for p in files if p.startswith(folder))]
    write(files, at)
    assert files == whole


@pytest.mark.parametrize("folder", ["entries/", "blobs/"])
def test_what_an_interrupted_run_has_left_damaged_is_written_again(folder: str) -> None:
    files, at = Files(), table()
    write(files, at)
    whole = dict(files)
    path = next(p for p in files if p.startswith(folder))
    for damaged in (files[path][:-1], files[path] + b"x", files[path][:-1] + b"\xff"):
        files[path] = damaged
        del files[MANIFEST_PATH]
        write(files, at)
        assert files == whole


def test_what_was_sealed_is_fetched_once_a_ceremony_is_aborted_after_the_record() -> None:
    files, at = Files(), table()
    write(files, at)
    assert [data[:1] for path, data in files.items() if path.startswith("blobs/")] == [b"p"]
    at.say(2, Draft(CEREMONY, Abort(0, "deal", "why")))
    write(files, at)
    blobs = [data[:1] for path, data in files.items() if path.startswith("blobs/")]
    assert sorted(blobs) == [b"p", b"s"]


def test_the_order_in_which_members_signed_does_not_matter() -> None:
    backwards = dict(reversed(SIGNATURES.items()))
    assert signed_text(TOY.terms, backwards) == signed_text(TOY.terms, SIGNATURES)


def test_a_record_of_another_federation_is_refused_and_stays() -> None:
    files = Files()
    write(files, table())
    before, other = dict(files), toy_federation(3, 2, name="Other")
    signatures = {m.name: bytes(64) for m in other.terms.members}
    with pytest.raises(UnfitRecord, match="another federation, Toy") as refused:
        prepare(files, other.terms, signatures)
    assert refused.value.path == "federation.toml"
    del files["federation.toml"]
    with pytest.raises(UnfitRecord, match=r"no federation\.toml"):
        prepare(files, other.terms, signatures)
    assert files == {p: d for p, d in before.items() if p != "federation.toml"}


@pytest.mark.parametrize(
    "path", ["thesis.doc", "entries/1.msgpack", "heads/0.msgpack", "heads/17.msgpack", "old"]
)
def test_a_folder_with_something_else_in_it_is_refused_by_name(path: str) -> None:
    files = Files()
    files[path] = b""
    with pytest.raises(UnfitRecord, match="belongs to no record") as refused:
        prepare(files, TOY.terms, SIGNATURES)
    assert refused.value.path == path
    assert list(files) == [path]


@pytest.mark.parametrize(
    ("path", "content"),
    [("record.json", b"{}"), ("record.json", b"x" * 9999), ("federation.toml", b"\xff")],
)
def test_a_damaged_record_is_refused_by_name(path: str, content: bytes) -> None:
    files = Files()
    write(files, table())
    files[path] = content
    with pytest.raises(UnfitRecord) as refused:
        prepare(files, TOY.terms, SIGNATURES)
    assert refused.value.path == path


def test_a_manifest_of_another_federation_is_refused() -> None:
    files = Files()
    write(files, table())
    manifest = files["record.json"].decode()
    files["record.json"] = manifest.replace(TOY.terms.federation.hex(), "00" * 32).encode()
    with pytest.raises(UnfitRecord, match="another federation"):
        prepare(files, TOY.terms, SIGNATURES)


def test_another_history_is_a_fork_at_the_first_entry_that_differs() -> None:
    files, ours = Files(), table("one", "two", "three")
    write(files, ours)
    before = dict(files)
    theirs = table("one", "other", "three")
    with pytest.raises(Fork, match="another entry there") as fork:
        write(files, theirs)
    assert fork.value.position == 3
    assert files == before


def test_a_board_that_ends_before_the_record_is_a_fork() -> None:
    files = Files()
    write(files, table("one", "two"))
    with pytest.raises(Fork, match="goes on to entry 3, the board does not") as fork:
        write(files, table("one"))
    assert fork.value.position == 3


def test_a_fork_is_told_even_where_the_record_is_damaged() -> None:
    files, ours = Files(), table("one", "two")
    write(files, ours)
    del files[entry_path(ours.entries[1].hash)]
    with pytest.raises(Fork) as fork:
        write(files, table("other", "two"))
    assert fork.value.position == 3


def test_a_head_that_fits_is_kept_and_found() -> None:
    files, at = Files(), table("one")
    countersigned_at = Head(1, at.entries[0].hash)
    prepare(files, TOY.terms, SIGNATURES)
    countersigned(files, 2, countersigned_at)
    write(files, at)
    (said,) = countersignatures(files, TOY.terms)
    assert (said.member, said.position) == (2, 1)


@pytest.mark.parametrize("position", [2, 9])
def test_a_head_of_another_history_is_a_fork_that_names_who_has_seen_it(position: int) -> None:
    files, at = Files(), table("one")
    prepare(files, TOY.terms, SIGNATURES)
    countersigned(files, 2, Head(position, b"h" * 32))
    with pytest.raises(Fork, match="H2 has countersigned") as fork:
        write(files, at)
    assert fork.value.position == position
    assert "record.json" not in files


def test_a_head_that_proves_nothing_is_refused_by_name() -> None:
    files, at = Files(), table()
    prepare(files, TOY.terms, SIGNATURES)
    said = countersign(TOY.terms.federation, 2, at.board.head, TOY.keys[2])
    forged = countersign(TOY.terms.federation, 2, at.board.head, TOY.keys[1])
    foreign = countersign(b"f" * 32, 1, at.board.head, TOY.keys[1])
    claimed = countersign(TOY.terms.federation, 3, at.board.head, TOY.keys[1])  # its own key
    for content in (b"x", *map(encode, (said, forged, foreign, claimed))):
        path, member = (head_path(2), 2) if content == encode(forged) else (head_path(1), 1)
        files[path] = content
        with pytest.raises(UnfitRecord) as refused:
            check_history(files, TOY.terms, at.board)
        assert (refused.value.path, refused.value.member) == (path, member)
        del files[path]


def test_a_manifest_of_a_run_that_got_further_stays() -> None:
    files = Files()
    write(files, table("one", "two"))
    finish(files, TOY.terms, table("one").board.head, 1)
    assert read_manifest(files["record.json"]).head.position == 3


def said_more(at: Table, member: int, payload: bytes) -> None:
    """Another payload for all, in the ceremony."""
    (public,), blobs = public_payload(payload)
    at.say(member, Draft(CEREMONY, Step("deal", 0, 0, (public,)), (*blobs,)))


def looked_at(files: Files, at: Table) -> int:
    """At how many entries ``write`` has to look for payloads."""
    with patch.object(writing, "recorded", side_effect=writing.recorded) as called:
        write(files, at)
    return sum(len(list(call.args[0])) for call in called.call_args_list)


def test_of_a_record_that_is_as_it_was_left_what_is_new_is_looked_at_alone() -> None:
    files, at = Files(), table()
    write(files, at)
    assert looked_at(files, at) == 0
    said_more(at, 3, b"q" * 5000)
    assert looked_at(files, at) == 1
    assert read_manifest(files["record.json"]).payloads == 2
    alone = Files()
    write(alone, at)
    assert dict(files) == dict(alone)


def test_a_payload_that_is_there_already_is_not_counted_twice() -> None:
    files, at = Files(), table()
    write(files, at)
    said_more(at, 3, b"p" * 5000)
    assert looked_at(files, at) == 1
    assert read_manifest(files["record.json"]).payloads == 1
    assert looked_at(files, at) == 0


@pytest.mark.parametrize("folder", ["entries/", "blobs/"])
def test_where_one_file_is_gone_or_there_is_one_more_all_are_looked_for(folder: str) -> None:
    files, at = Files(), table()
    write(files, at)
    whole = dict(files)
    del files[next(path for path in files if path.startswith(folder))]
    assert looked_at(files, at) == 1
    assert dict(files) == whole
    files[entry_path(b"e" * 32) if folder == "entries/" else blob_path(b"e" * 32)] = b"other"
    assert looked_at(files, at) == 1


def test_the_end_of_a_ceremony_has_its_older_payloads_looked_for() -> None:
    files = Files()
    write(files, table())
    at = table("no proof")
    assert looked_at(files, at) == 2
    assert read_manifest(files["record.json"]).payloads == 2


def test_a_wrong_count_is_put_right() -> None:
    files, at = Files(), table()
    head = write(files, at)
    files["record.json"] = write_manifest(Manifest(TOY.terms.federation, head, 7))
    write(files, at)
    assert read_manifest(files["record.json"]).payloads == 1
