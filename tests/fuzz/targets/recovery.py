"""Decoders of what a hospital comes back with: its backup, a record, and marks of a restore."""

from contextlib import suppress
from unittest import mock

from participant.agent.agent import Agent
from participant.agent.checkpoint import CHECKPOINT_NAME, Checkpoint
from participant.agent.set_ledger import SetLedger
from participant.board.copy import BoardCopy, CopiedEntries, CopiedSpan, CopyIndex, _hash
from participant.errors import ParticipantError
from participant.home.sealed_file import unseal
from participant.key import backup as backups
from participant.key.backup import open_backup, purpose_of_backup, write_backup
from participant.key.restore import Restoring, read_record
from protocol.board.board import Board
from protocol.board.post import Entry, Head
from protocol.encoding import encode
from protocol.errors import BadEntry, Fork, Malformed, Refused
from protocol.record.files import MANIFEST_PATH, entry_path, read_manifest
from tests.fuzz.codecs import JSON
from tests.fuzz.target import Case, target
from tests.fuzz.targets.frames import DIGEST, TERMS, entries
from tests.fuzz.targets.keys import toy
from tests.fuzz.targets.services import Listener
from tests.fuzz.targets.texts import scratch
from tests.simulator.disk import Disk
from tests.stage.toy_home import CHEAP, PASSPHRASE, member_at, write_record

MEMBER = 1


@target("backup", "participant.key.backup.open_backup, what is inside the seal", limit=24_576)
def backup() -> Case:
    path, member = scratch() / "backup.sealed", member_at(scratch() / "home", MEMBER, toy())
    write_backup(member, toy().federation.signed_text(), path, PASSPHRASE, CHEAP)
    purpose = purpose_of_backup(path, toy().federation.terms)
    honest = unseal(path, purpose, PASSPHRASE, "backup")

    def run(data: bytes) -> None:
        def opened(*arguments: object) -> bytes:
            return data

        with mock.patch.object(backups, "unseal", opened), suppress(ParticipantError):
            found = open_backup(path, purpose, PASSPHRASE)
            assert found.terms == toy().federation.terms
            assert found.index == MEMBER
            assert found.epoch.number == 1

    return Case(run, [honest])


@target("checkpoint", "participant.agent.checkpoint, participant.key.restore.Restoring.known_head")
def checkpoint() -> Case:
    terms, key = toy().federation.terms, toy().federation.keys[MEMBER]
    folder = scratch()
    path, member = folder / "backup.sealed", member_at(folder / "home", MEMBER, toy())
    write_backup(member, toy().federation.signed_text(), path, PASSPHRASE, CHEAP)
    opened = open_backup(path, purpose_of_backup(path, terms), PASSPHRASE)
    restoring = Restoring(opened, folder / "home", PASSPHRASE, cost=CHEAP)

    def run(data: bytes) -> None:
        disk = Disk()
        disk.write(CHECKPOINT_NAME, data)
        with suppress(Malformed):
            Agent(terms, MEMBER, key, disk, Listener())
        (member.folder / CHECKPOINT_NAME).write_bytes(data)
        with suppress(Malformed):
            head = restoring.known_head()
            assert head is None or len(head.hash) == 32

    return Case(run, [encode(Checkpoint(7, DIGEST))])


@target("board-copy", "participant.board.copy.BoardCopy, what its MAC and hashes are right for")
def board_copy() -> Case:
    """The input is the index, or the entries of its only span."""
    honest = encode(CopiedEntries(tuple(encode(entry) for entry in entries()[:1])))
    board = Board(TERMS)
    board.append(entries()[0])
    index = encode(CopyIndex((CopiedSpan(1, 1, _hash(honest)),), board.state, ()))

    def run(data: bytes) -> None:
        disk, is_index = Disk(), data.startswith(index[:2])
        copy = BoardCopy(disk, DIGEST, TERMS.federation)
        spans = CopyIndex((CopiedSpan(1, 1, _hash(data)),), board.state, ())
        said = data if is_index else encode(spans)
        disk.write("board/index", copy._mac(said) + said)
        disk.write("board/1-1", honest if is_index else data)
        with suppress(BadEntry, Fork):
            shown = copy.board(TERMS)
            assert shown.head.position >= 0
            assert all(isinstance(entry, Entry) for entry in copy.after(0))
            copy.save(shown, at_least=0)

    return Case(run, [index, honest])


@target("restored-mark", "participant.agent.set_ledger.SetLedger, what it reads after a restore")
def restored_mark() -> Case:
    board = Board(toy().federation.terms)

    def run(data: bytes) -> None:
        disk = Disk()
        disk.write("restored", data)
        ledger = SetLedger(disk)
        with suppress(Malformed, Refused):
            ledger.begin(board)
            assert ledger.choose("study/s/1", DIGEST)
            assert not ledger.choose("study/s/1", bytes(32))

    disk = Disk()
    SetLedger(disk).mark_restored(Head(7, DIGEST))
    return Case(run, [disk.read("restored") or b""])


@target("record-folder", "participant.key.restore.read_record, participant.record.folder")
def record_folder() -> Case:
    """The input is the manifest or, where it is no text, the last entry under its hash's name."""
    first, folder = entries()[0], scratch()
    write_record(folder / "record", toy(), [first])
    manifest = (folder / "record" / MANIFEST_PATH).read_bytes()
    last = folder / "record" / entry_path(first.hash)

    def run(data: bytes) -> None:
        (folder / "record" / MANIFEST_PATH).write_bytes(data if data[:1] == b"{" else manifest)
        last.write_bytes(encode(first) if data[:1] == b"{" else data)
        with suppress(Malformed, BadEntry, Fork, ParticipantError):
            head = read_record(folder / "record", TERMS, None).head
            said = (folder / "record" / MANIFEST_PATH).read_bytes()
            assert head == read_manifest(said).head

    return Case(run, [manifest, encode(first)], JSON)
