"""``export`` at a hospital: the board as it verified it, countersigned, byte for byte."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.record.export import export as export_stored
from aggregator.record.output import RecordOutput as AggregatorsOutput
from participant.errors import DiskError
from participant.home.terms_file import read_signed_terms
from participant.record.output import RecordOutput
from protocol.board.board import Board
from protocol.board.post import Head, decode_entry
from protocol.encoding import encode
from protocol.messages.rounds import Statement
from protocol.record.files import (
    Countersignature,
    check_countersignature,
    countersign,
    entry_path,
    read_countersignature,
    read_entries,
    read_manifest,
)
from protocol.terms.terms import render
from tests.stage.consortium import Consortium, ended, with_key
from tests.stage.files import contents
from tests.stage.toy import next_post, toy_federation

pytestmark = pytest.mark.slow  # most of them start whole processes


@pytest.fixture(scope="module")
def ceremony(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """A federation that has made its key; the aggregator does not run."""
    return with_key(tmp_path_factory.mktemp("ceremony"))


@pytest.fixture
def consortium(ceremony: Consortium) -> Iterator[Consortium]:
    """The same, with the aggregator running and no record yet."""
    with ceremony.relay.running():
        yield ceremony
    for path in ceremony.folder.glob("record*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def export(at: Consortium, member: int, *options: str, expect: int = 0) -> tuple[str, str]:
    """Output and error output of the command."""
    words = ("export", "federation.toml", "--out", "record", "--timeout", "30", *options)
    return ended(at.start(member, *words), expect)


def head_of(at: Consortium, member: int) -> Countersignature:
    return read_countersignature((at.folder / f"record/heads/{member}.msgpack").read_bytes())


def say(at: Consortium, member: int, result: bytes) -> None:
    """A member's post, as of a process that has ended since."""
    core, key = at.relay.core, at.member(member).identity.signing_key
    core._append(next_post(key, core.board, "study/cardio/0", member, Statement(result, 5)))


def test_both_programs_write_the_same_bytes_but_for_the_heads(consortium: Consortium) -> None:
    output, _ = export(consortium, 1)
    assert "countersigned  H1\n" in output
    theirs = consortium.folder / "record-of-aggregator"
    terms = read_signed_terms(consortium.file)
    export_stored(
        consortium.relay.folder, terms.terms, terms.signatures, AggregatorsOutput(theirs),
        lambda *_: None,
    )  # fmt: skip
    ours = contents(consortium.folder / "record")
    assert ours.pop("heads/1.msgpack")
    assert ours == contents(theirs)
    assert any(path.startswith("blobs/") for path in ours)
    for folder in ("record", theirs.name):
        output, errors = consortium.start(2, "verify", folder).communicate(timeout=60)
        assert "All checks that were run hold." in output, output + errors


def test_a_record_that_goes_around_is_countersigned_by_all(consortium: Consortium) -> None:
    export(consortium, 1)
    say(consortium, 3, b"m" * 32)
    export(consortium, 2)
    output, _ = export(consortium, 3, "--json")
    facts = json.loads(output)
    position = facts["entries"]
    assert facts["countersigned"] == {"H1": position - 1, "H2": position, "H3": position}
    board = Board(consortium.terms)
    folder = consortium.folder / "record"
    head = read_manifest((folder / "record.json").read_bytes()).head
    for entry in reversed(list(read_entries(AggregatorsOutput(folder), head))):
        board.append(entry)
    for member in (1, 2, 3):
        said = head_of(consortium, member)
        assert board.hash_at(said.position) == said.hash
        check_countersignature(said, consortium.terms.key_of(member))


def test_nothing_secret_and_nobodys_private_folder_rights(consortium: Consortium) -> None:
    export(consortium, 1)
    folder = consortium.folder / "record"
    assert {os.stat(p).st_mode & 0o777 for p in folder.rglob("*") if p.is_file()} == {0o644}
    secret = encode(consortium.member(1).held_key()[1])
    for data in contents(folder).values():
        assert secret[-64:] not in data


def test_an_interrupted_export_is_completed_by_the_next(consortium: Consortium) -> None:
    export(consortium, 1)
    folder = consortium.folder / "record"
    whole = contents(folder)
    (folder / "record.json").unlink()
    for path in [p for k, p in enumerate(sorted(folder.rglob("*.*"))) if k % 3 and p.is_file()]:
        if path.name != "federation.toml":
            path.unlink()
    (folder / "entries" / f".quorate-{'0' * 32}.tmp").write_bytes(b"half")
    export(consortium, 1)
    assert contents(folder) == whole


def test_a_hospital_remembers_what_it_has_countersigned(consortium: Consortium) -> None:
    say(consortium, 2, b"n" * 32)
    export(consortium, 1)
    storage = consortium.member(1).storage
    saved, said = storage.read("head"), head_of(consortium, 1)
    assert saved == encode([said.position, said.hash])
    # An aggregator that has lost the entry shows what this hospital must not take.
    storage.write("head", encode([said.position + 1, b"h" * 32]))
    try:
        _, errors = export(consortium, 1, expect=4)
        assert "the board has forked" in errors
    finally:
        storage.write("head", saved)


def test_a_record_of_another_history_names_the_fork(consortium: Consortium) -> None:
    export(consortium, 1)
    folder = consortium.folder / "record"
    head = read_manifest((folder / "record.json").read_bytes()).head
    last = decode_entry((folder / entry_path(head.hash)).read_bytes())
    other = encode([last.position, last.previous, last.time_ms + 1, last.post])
    forged = Head(last.position, decode_entry(other).hash)
    (folder / entry_path(forged.hash)).write_bytes(other)
    manifest = (folder / "record.json").read_text().replace(head.hash.hex(), forged.hash.hex())
    (folder / "record.json").write_text(manifest)
    before = contents(folder)
    _, errors = export(consortium, 2, expect=4)
    assert f"forked at entry {last.position}" in errors
    assert contents(folder) == before


def test_a_countersignature_of_another_history_names_who_has_seen_it(
    consortium: Consortium,
) -> None:
    export(consortium, 1)
    position = head_of(consortium, 1).position
    key = consortium.member(2).identity.signing_key
    said = countersign(consortium.terms.federation, 2, Head(position, b"h" * 32), key)
    path = consortium.folder / "record" / "heads" / "2.msgpack"
    path.write_bytes(encode(said))
    _, errors = export(consortium, 3, expect=4)
    assert f"forked at entry {position}: H2 has countersigned another entry there" in errors
    path.write_bytes(b"?")
    _, errors = export(consortium, 3, expect=1)
    assert "heads/2.msgpack is no countersignature of H2" in errors
    assert not (consortium.folder / "record" / "heads" / "3.msgpack").exists()


def test_what_is_in_the_way_is_named_and_left_alone(consortium: Consortium) -> None:
    record = consortium.folder / "record"
    record.write_text("a file")
    _, errors = export(consortium, 1, expect=1)
    assert "not a folder" in errors
    record.unlink()
    record.mkdir()
    (record / "thesis.doc").write_text("mine")
    _, errors = export(consortium, 1, expect=1)
    assert "thesis.doc: it belongs to no record" in errors
    assert contents(record) == {"thesis.doc": b"mine"}
    (record / "thesis.doc").unlink()
    other = toy_federation(3, 2, name="Other")
    (record / "federation.toml").write_text(render(other.terms))
    _, errors = export(consortium, 1, expect=1)
    assert "federation.toml: it has the terms of another federation, Other" in errors
    assert list(contents(record)) == ["federation.toml"]


def test_a_folder_that_cannot_be_made_or_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match=r"Not a directory|not a folder"):
        RecordOutput(tmp_path / "file" / "record")
    files = RecordOutput(tmp_path / "record")

    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(DiskError, match="Permission denied"):
        files.write("record.json", b"")


def test_an_aggregator_that_is_down_is_named(ceremony: Consortium) -> None:
    command = ("export", "--out", "record", "--timeout", "1.5")
    _, errors = ended(ceremony.start(1, *command), expect=1)
    assert "not reachable" in errors
    assert "no link to" in errors
    shutil.rmtree(ceremony.folder / "record")


def test_a_hospital_at_work_is_named(consortium: Consortium) -> None:
    process = consortium.start(1, "key", "check", "--together", "--timeout", "30")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        _, errors = export(consortium, 1, expect=1)
    finally:
        process.kill()
        process.communicate()
    assert f"in use by process {process.pid} (key check)" in errors


def test_a_blob_that_the_aggregator_has_lost_ends_it_without_a_record(
    ceremony: Consortium, tmp_path: Path
) -> None:
    kept = {p: p.read_bytes() for p in (ceremony.relay.folder / "blobs").rglob("*") if p.is_file()}
    with ceremony.relay.running():
        for path in kept:
            path.write_bytes(b"x" * path.stat().st_size)
        command = ("export", "--out", str(tmp_path / "record"), "--timeout", "4")
        ended(ceremony.start(1, *command), expect=1)
        for path, data in kept.items():
            path.write_bytes(data)
    assert not (tmp_path / "record" / "record.json").exists()
