"""What a new member verifies before it takes part: the records back to where the key was made."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from participant.agent import load_checkpoint, save_checkpoint
from participant.handover import BrokenRecord, begin_from_record
from protocol.board.post import Head
from protocol.errors import Fork
from protocol.messages.rounds import SetLock
from protocol.record.files import is_recorded
from protocol.terms.predecessor import Predecessor
from tests.simulator.disk import Disk
from tests.stage.record.chained import chained
from tests.stage.record.memory import MemoryFiles, files_of
from tests.stage.record.story import Story, write
from tests.stage.toy import CeremonyTable, Table, finished, toy_federation


def come(
    *stories: Story,
    into: Story | None = None,
    seen: Head | None = None,
    refused: type[Exception] | None = None,
) -> Any:
    """A guest of the newest federation, or of another, that has been given these records.

    seen: what it has noted before.
    """
    terms = (into or stories[0]).federation.terms
    guest: Any = SimpleNamespace(terms=terms, storage=Disk())
    if seen is not None:
        save_checkpoint(guest.storage, seen)
    files = [MemoryFiles(write(story).files) for story in stories]
    with pytest.raises(refused) if refused else nullcontext():
        begin_from_record(guest, files[0], Path("record"), files[1:])
    return guest


def test_it_notes_the_head_that_it_has_verified() -> None:
    guest = come(chained().newest, chained().middle, chained().oldest)
    checkpoint = load_checkpoint(guest.storage)
    assert checkpoint is not None
    assert checkpoint.position == len(chained().newest.said)
    assert load_checkpoint(come(chained().oldest).storage) is not None


@pytest.mark.parametrize("entries_seen", [3, None])
def test_a_record_of_another_board_than_it_has_seen_is_refused(entries_seen: int | None) -> None:
    seen = Head(entries_seen or len(chained().oldest.said), bytes(32))
    guest = come(chained().oldest, seen=seen, refused=Fork)
    assert load_checkpoint(guest.storage) == seen


def test_a_record_that_is_shorter_than_what_it_has_seen_changes_nothing() -> None:
    seen = Head(len(chained().oldest.said) + 1, bytes(32))
    assert load_checkpoint(come(chained().oldest, seen=seen).storage) == seen


def test_a_record_that_goes_on_from_what_it_has_seen_is_noted() -> None:
    guest = come(chained().oldest)
    whole = load_checkpoint(guest.storage)
    seen = write(chained().oldest).entries[2]
    again = come(chained().oldest, seen=Head(3, seen.hash))
    assert load_checkpoint(again.storage) == whole


@pytest.mark.parametrize("given", [1, 2])
def test_it_wants_all_records_back_to_where_the_key_was_made(given: int) -> None:
    stories = [chained().newest, chained().middle, chained().oldest]
    with pytest.raises(BrokenRecord, match="took its key over"):
        come(*stories[:given])


def test_a_record_that_fails_anywhere_in_the_chain_is_refused() -> None:
    oldest = chained().oldest.copy()
    oldest.alter(oldest.find("study/cardio/1", SetLock), chosen=bytes(32))
    with pytest.raises(BrokenRecord, match=r"8\.4"):
        come(chained().middle, oldest)


def test_the_record_of_another_federation_is_refused() -> None:
    with pytest.raises(BrokenRecord, match=r"1\.2"):
        come(chained().oldest, into=chained().middle)


def test_a_federation_that_made_a_key_of_its_own_needs_no_record_before() -> None:
    """It succeeds another, and has had a ceremony."""
    federation = toy_federation(3, 2, predecessor=Predecessor(bytes(32), "ceremony"))
    toy = finished(CeremonyTable(federation).run())
    record = files_of(federation, toy.table.entries, blobs_at(toy.table), [1])
    guest: Any = SimpleNamespace(terms=federation.terms, storage=Disk())
    begin_from_record(guest, record, Path("record"))
    assert load_checkpoint(guest.storage) is not None


def blobs_at(table: Table) -> dict[bytes, bytes]:
    found = (a for posted in table.board.entries for a in posted.attachments)
    return {a.digest: table.blobs[a.digest] for a in found if is_recorded(a, is_aborted=False)}
