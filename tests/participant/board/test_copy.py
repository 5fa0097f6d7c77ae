"""The copy of the board: what was stored is read again, and nothing that was not."""

from pathlib import Path

import pytest
from msgspec import structs

from participant.board.copy import _INDEX_LIMIT, SELDOM, BoardCopy, CopiedSpan, CopyIndex, often
from participant.errors import DamagedFile, DiskError
from protocol.board.board import Board
from protocol.board.post import decode_entry
from protocol.board.rest import BoardState
from protocol.encoding import Message, encode
from protocol.rounds.history import OpenedSets
from tests.protocol.rounds.test_known import decided, story
from tests.simulator.disk import Crash, Disk
from tests.stage.rounds.past import largest_past_round
from tests.stage.saying import FEDERATION, proposing
from tests.stage.toy import next_post

SECRET, TERMS = b"s" * 32, FEDERATION.terms
INDEX = "board/index"


class Short(BoardCopy):
    """Its spans are of three entries."""

    full_span, awake = 3, 2


def copy(disk: Disk, secret: bytes = SECRET, federation: bytes = TERMS.federation) -> Short:
    return Short(disk, secret, federation)


def board_of(n: int, first: int = 0) -> list[bytes]:
    """A board of so many plans."""
    board, entries = Board(TERMS), list[bytes]()
    for k in range(first, first + n):
        draft = proposing(k)
        signed = next_post(FEDERATION.keys[1], board, draft.session, 1, draft.body)
        entry = board.extend(signed, k + 1)
        board.append(entry)
        entries.append(encode(entry))
    return entries


ENTRIES = board_of(8)


def stored(n: int, disk: Disk | None = None) -> Disk:
    """A disk with a copy of the first so many entries, stored one after the other."""
    disk = disk or Disk()
    kept = copy(disk)
    board = kept.board(TERMS)
    for entry in ENTRIES[len(board.entries) : n]:
        board.append(decode_entry(entry))
        kept.add(entry)
        kept.save(board)
    return disk


def taken(kept: BoardCopy) -> list[bytes]:
    """What a process begins with."""
    board = kept.board(TERMS)
    found = [encode(entry) for entry in kept.after(0)]
    assert [posted.hash for posted in board.entries] == [decode_entry(e).hash for e in found]
    return found


def read(disk: Disk) -> list[bytes]:
    return taken(copy(disk))


def is_beginning(found: list[bytes]) -> bool:
    return found == ENTRIES[: len(found)]


@pytest.mark.parametrize("n", range(len(ENTRIES) + 1))
def test_what_was_stored_is_read_again(n: int) -> None:
    assert read(stored(n)) == ENTRIES[:n]


def test_it_goes_on_where_another_process_has_ended() -> None:
    disk = stored(2)
    for n in (4, 5, 8):
        assert read(stored(n, disk)) == ENTRIES[:n]


def test_a_span_that_is_full_is_written_once_more_and_the_shorter_ones_are_removed() -> None:
    disk = stored(8)
    assert disk.names() == ["board/1-3", "board/4-6", "board/7-8", INDEX]


def test_entries_are_stored_only_once_there_are_so_many() -> None:
    disk, entries = Disk(), ENTRIES[:2]
    kept = copy(disk)
    board = kept.board(TERMS)
    for entry in entries:
        board.append(decode_entry(entry))
        kept.add(entry)
        kept.save(board, at_least=3)
    assert not disk.names()
    kept.save(board, at_least=2)
    assert read(disk) == entries


def test_a_span_of_large_entries_is_full_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("participant.board.copy._SPAN_BYTES", len(ENTRIES[0]) + 1)
    assert stored(4).names() == ["board/1-2", "board/3-4", INDEX]


def test_what_is_after_a_position_can_be_read_again() -> None:
    kept = copy(stored(8))
    assert len(kept.board(TERMS).entries) == 8
    assert [encode(entry) for entry in kept.after(4)] == ENTRIES[4:]
    assert not list(kept.after(8))


# ── what is not taken for verified ──


@pytest.mark.parametrize(
    "other", [copy(stored(5), secret=b"o" * 32), copy(stored(5), federation=bytes(32))]
)
def test_a_copy_of_another_hospital_or_another_federation_is_not_taken(other: Short) -> None:
    assert not taken(other)
    assert isinstance(other.trouble, DamagedFile)
    assert other.trouble.path == INDEX


@pytest.mark.parametrize("name", stored(5).names())
def test_whichever_byte_is_changed_only_what_stands_before_is_taken(name: str) -> None:
    whole = stored(5).files
    for at in range(len(whole[name])):
        disk, data = Disk(), bytearray(whole[name])
        data[at] ^= 1
        disk.files = {**whole, name: bytes(data)}
        kept = copy(disk)
        found = taken(kept)
        assert is_beginning(found)
        assert len(found) < 5
        assert kept.trouble is not None


@pytest.mark.parametrize("name", stored(5).names())
def test_a_file_that_is_cut_short_is_not_taken(name: str) -> None:
    whole = stored(5).files
    for end in range(0, len(whole[name]), 7):
        disk = Disk()
        disk.files = {**whole, name: whole[name][:end]}
        found = read(disk)
        assert is_beginning(found)
        assert len(found) < 5


def test_files_of_two_copies_are_not_mixed() -> None:
    """Both are this hospital's own: the second was made after the first had been lost."""
    mine, other = stored(6), Disk()
    kept = copy(other)
    board = kept.board(TERMS)
    for entry in board_of(6, first=100):
        board.append(decode_entry(entry))
        kept.add(entry)
        kept.save(board)
    mine.files["board/4-6"] = other.files["board/4-6"]
    assert read(mine) == ENTRIES[:3]


def test_an_older_copy_is_a_shorter_one() -> None:
    disk = stored(4)
    older = dict(disk.files)
    stored(8, disk)
    disk.files = older
    assert read(disk) == ENTRIES[:4]


def test_what_is_damaged_is_removed_and_stored_anew() -> None:
    disk = stored(8)
    disk.files["board/4-6"] = b"?"
    assert read(disk) == ENTRIES[:3]
    assert disk.names() == ["board/1-3", INDEX]
    assert read(stored(8, disk)) == ENTRIES
    disk.files[INDEX] = b"?"
    assert not read(disk)
    assert not disk.names()


# ── whatever becomes of the machine ──


def test_a_crash_at_any_change_leaves_the_old_prefix_or_the_new_one() -> None:
    for n in range(8):
        moment = 0
        while True:
            disk, before = stored(n), moment
            disk.dies_after(moment)
            try:
                stored(n + 1, disk)
            except Crash:
                moment += 1
            disk.hook = lambda: None
            found = read(disk)
            assert found in (ENTRIES[:n], ENTRIES[: n + 1])
            assert read(stored(8, disk)) == ENTRIES  # and it goes on from there
            assert len(disk.names()) == 4  # nothing else is left
            if moment == before:
                break


def full(disk: Disk, number: int = 28) -> None:
    def refuse() -> None:
        raise DiskError(Path("board"), "No space left on device", number)

    disk.hook = refuse


def test_a_disk_that_is_full_ends_the_copy_and_nothing_else() -> None:
    disk = stored(4)
    kept = copy(disk)
    board = kept.board(TERMS)
    full(disk)
    for entry in ENTRIES[4:]:
        board.append(decode_entry(entry))
        kept.add(entry)
        kept.save(board)
    assert isinstance(kept.trouble, DiskError)
    disk.hook = lambda: None
    kept.add(ENTRIES[5])
    kept.save(board)  # a gap would make the copy worthless
    assert read(disk) == ENTRIES[:4]


def test_a_copy_that_is_only_read_is_never_written_to() -> None:
    disk = stored(5)
    disk.files["board/4-5"] = b"?"
    before = dict(disk.files)
    full(disk, 30)
    kept = Short(disk, SECRET, TERMS.federation, is_kept=False)
    assert taken(kept) == ENTRIES[:3]
    kept.add(ENTRIES[3])
    kept.save(Board(TERMS))
    assert disk.files == before
    assert isinstance(kept.trouble, DamagedFile)


def test_nothing_of_the_secret_is_shown() -> None:
    assert "ssss" not in repr(copy(stored(1)))


def test_a_file_that_is_damaged_later_is_named_and_the_next_start_reads_all_anew() -> None:
    disk = stored(8)
    kept = copy(disk)
    board = kept.board(TERMS)
    disk.files["board/4-6"] = b"?"
    with pytest.raises(DamagedFile, match=r"board/4-6"):
        _ = board.entries[4]
    assert not read(disk)
    assert not disk.names()
    assert read(stored(8, disk)) == ENTRIES


def test_a_board_that_is_not_that_of_the_entries_is_read_from_these() -> None:
    disk, other = stored(7), stored(5)
    kept = copy(other)
    mixed = CopyIndex(copy_index(disk).spans, copy_index(other).state, ())
    disk.write(INDEX, kept._mac(encode(mixed)) + encode(mixed))
    assert read(disk) == ENTRIES[:7]


def test_an_index_of_another_release_is_not_read_and_all_comes_anew() -> None:
    disk, kept = stored(7), copy(Disk())
    index = copy_index(disk)
    other = encode(IndexBefore(index.spans, index.state))
    disk.write(INDEX, kept._mac(other) + other)
    kept = copy(disk)
    assert not taken(kept)
    assert isinstance(kept.trouble, DamagedFile)
    assert read(stored(8, disk)) == ENTRIES


class IndexBefore(Message, frozen=True):
    """An index without what counts of rounds at rest."""

    spans: tuple[CopiedSpan, ...]
    state: BoardState


def test_an_index_of_a_long_board_reads_whatever_members_have_called_near() -> None:
    assert len(encode(largest_past_round())) * 10_000 < _INDEX_LIMIT


def copy_index(disk: Disk) -> CopyIndex:
    found = copy(disk)._index()
    assert found is not None
    return found


# ── what counts of rounds at rest ──


def kept_story(name: str, n: int, disk: Disk) -> Board:
    """The board of a process that goes on from the copy up to so many entries, and stores it."""
    terms, entries = story(name)
    kept = Short(disk, SECRET, terms.federation)
    board = kept.board(terms)
    for entry in entries[len(board.entries) : n]:
        board.append(entry)
        kept.add(encode(entry))
        kept.save(board)
    return board


@pytest.mark.parametrize("name", ["good", "handed", "4"])
def test_who_goes_on_from_a_copy_decides_as_from_the_whole_board(name: str) -> None:
    terms, entries = story(name)
    disk, whole = Disk(), Board(terms)
    for n, entry in enumerate(entries, start=1):
        whole.append(entry)
        if n % 9 == 0 or n == len(entries):
            kept_story(name, n, disk)
            board = kept_story(name, n, disk)  # by another process
            assert decided(whole, OpenedSets.of(board)) == decided(whole, OpenedSets.of(whole))
    assert OpenedSets.of(board).past


def test_what_counts_of_other_rounds_than_those_at_rest_is_not_used() -> None:
    terms, entries = story("4")
    disk, other = Disk(), Disk()
    past = OpenedSets.of(kept_story("4", len(entries), disk)).past
    kept_story("4", 20, other)
    kept = Short(other, SECRET, terms.federation)
    index = kept._index()
    assert index is not None
    mixed = encode(structs.replace(index, past=past))
    other.write(INDEX, kept._mac(mixed) + mixed)
    again = Short(other, SECRET, terms.federation).board(terms)
    assert again.head.position == 20
    assert not OpenedSets.of(again).past  # all was read anew, from the entries
    whole = Board(terms)
    for entry in entries[:20]:
        whole.append(entry)
    assert decided(whole, OpenedSets.of(again)) == decided(whole, OpenedSets.of(whole))


def test_a_copy_is_stored_seldom_while_a_long_board_is_read_for_the_first_time() -> None:
    """The index grows with the board: or else it would be written as often as entries come."""
    assert often(0) == often(1_000) == SELDOM
    assert often(640_000) == 10_000
