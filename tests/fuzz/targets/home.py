"""Decoders of a hospital's own files, and of what its link to the aggregator is made from."""

import datetime
import hashlib
from contextlib import suppress
from typing import Any
from unittest import mock

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x25519
from cryptography.hazmat.primitives.serialization import Encoding

from keyshare.ceremony import MAX_MEMBERS
from keyshare.rounds.tally import Marks
from participant.agent.outbox import Outbox
from participant.cli.sentences.sentence import Context
from participant.cli.views import standing as screen
from participant.cli.views import terminal
from participant.disk.files import FolderStorage
from participant.errors import DamagedFile, ForeignModel, ParticipantError
from participant.home import identity as identities
from participant.home import sealed_file
from participant.home.handover_shelf import HandoverShelf
from participant.home.identity import Card, load
from participant.home.key_notes import BackupNote, KeyNotes, ShareNote
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import SealedFor, seal, unseal
from participant.home.vault import Vault
from participant.model.file import model_name, read_model, read_stored, write_model
from participant.model.layout import Layout
from participant.model.local_entries import LocalEntries
from participant.model.master import Model
from participant.model.weights import Weights
from participant.network.link import _spki_digest, _whose
from participant.network.status import read_report
from participant.study.approval import KeptApproval, approval_name, keep_approval, kept_approval
from participant.training.bounds import Bounds
from participant.training.last_contribution import keep, marks_of
from participant.training.outcome import load as load_standing
from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.messages.attachment import blob_name
from protocol.programs.lock import read_holder
from protocol.words.foreign import is_plain
from tests.fuzz.codecs import JSON, SAFETENSORS, SEALED
from tests.fuzz.target import Case, target
from tests.fuzz.targets.frames import FEDERATION, TERMS, entries
from tests.fuzz.targets.keys import MEMBER, toy
from tests.fuzz.targets.services import report_of_a_round
from tests.fuzz.targets.texts import scratch
from tests.simulator.disk import Disk
from tests.stage.studies import training_study
from tests.stage.toy_home import CHEAP, PASSPHRASE


class _QuickArgon2:
    """Stands for Argon2id, whose cost a file may set to half a second and 512 MiB."""

    def __init__(self, salt: bytes, length: int, iterations: int, lanes: int, memory_cost: int):
        assert len(salt) == 16
        assert 1 <= iterations <= 16
        assert 1 <= lanes <= 8
        assert 64 <= memory_cost <= 512 * 1024
        self._salt = salt + bytes((iterations, lanes)) + memory_cost.to_bytes(4, "big")
        self._length = length

    def derive(self, passphrase: bytes) -> bytes:
        return hashlib.sha256(self._salt + passphrase).digest()[: self._length]


def quick_keys():
    """Keys of sealed files cost next to nothing."""
    return mock.patch.object(sealed_file, "Argon2id", _QuickArgon2)


@target("sealed-file", "participant.home.sealed_file.unseal")
def sealed() -> Case:
    path, purpose = scratch() / "secret.sealed", SealedFor("seed", "ab" * 32, 0, 2, "ceremony/1")
    passphrase = Passphrase("whose keys are quick")
    seeds = []
    with quick_keys():
        for payload in (b"", b"a secret", bytes(200)):
            seal(path, purpose, payload, passphrase, CHEAP)
            seeds.append(path.read_bytes())
            path.unlink()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with quick_keys(), suppress(ParticipantError):
            unseal(path, purpose, passphrase, "secret")
            assert data in seeds, "a seal that nobody made"

    return Case(run, seeds, SEALED)


@target("identity", "participant.home.identity.load, what is inside the seal")
def identity() -> Case:
    folder = scratch()
    key = FEDERATION.keys[1].private_bytes_raw()

    honest = [encode(["H1", key]), encode(["Höpital é", key])]
    identities.write_card(folder / identities.CARD_NAME, Card("H1", TERMS.members[0].key))

    def run(data: bytes) -> None:
        def opened(*arguments: object) -> bytes:
            return data

        with mock.patch.object(identities, "unseal", opened), suppress(ParticipantError):
            load(folder, PASSPHRASE)
            assert data == honest[0], "the card beside it is another's"

    return Case(run, honest)


def layout() -> Layout:
    return Layout.of({"w": np.zeros((2, 3)), "b": np.zeros(3, dtype=np.float32)})


def model_bytes() -> bytes:
    disk = Disk()
    values = (np.arange(6, dtype="<f8"), np.arange(3, dtype="<f4"))
    with disk.writing("m") as output:
        write_model(Model.of(Weights(layout(), values)), output, {"round": "1"})
    return disk.read("m") or b""


@target("model", "participant.model.file.read_model")
def model() -> Case:
    expected = layout()

    def run(data: bytes) -> None:
        with suppress(DamagedFile, ForeignModel):
            found = read_model(data, expected, "s", 1)
            assert [len(entry) for entry in found.entries] == [6, 3]
            assert len(found.digest) == 32

    return Case(run, [model_bytes()], SAFETENSORS)


@target("stored-model", "participant.model.file.read_stored")
def stored_model() -> Case:
    def run(data: bytes) -> None:
        with suppress(DamagedFile):
            found = read_stored(data, "s", 1)
            assert found.layout.weights == sum(len(entry) for entry in found.entries) > 0
            assert len(found.digest) == 32

    return Case(run, [model_bytes()], SAFETENSORS)


@target("standing", "participant.training.outcome.load: the bounds beside a model")
def standing() -> Case:
    expected, study = layout(), training_study(TERMS)
    disk = Disk()
    disk.write(model_name("s", 1), model_bytes())

    def run(data: bytes) -> None:
        disk.write("studies/s/bounds-1", data)
        with suppress(DamagedFile, ForeignModel):
            found = load_standing(disk, "s", 1, expected)
            assert found is not None
            assert 0 < found.bounds.clip(study) <= study.training.clip
            assert 1 <= found.bounds.max_examples(study) <= study.training.max_examples

    return Case(run, [encode(Bounds()), encode(Bounds((1, 2, 3), (9,)))], None)


@target("last-contribution", "participant.training.last_contribution.marks_of")
def last_contribution() -> Case:
    disk = Disk()
    keep(disk, "s", 7, Marks(2, 4))
    kept = disk.read("studies/s/last-contribution")
    assert kept is not None

    def run(data: bytes) -> None:
        disk.write("studies/s/last-contribution", data)
        found = marks_of(disk, "s", 7)
        assert found is None or all(0 <= one < 64 for one in found)

    return Case(run, [kept], None)


@target("approval", "participant.study.approval.kept_approval")
def approval() -> Case:
    disk = Disk()
    kept = KeptApproval(bytes(32), True, False, "app.py", bytes(32))
    keep_approval(disk, "s", kept)
    name = approval_name("s")
    seed = disk.read(name) or b""

    def run(data: bytes) -> None:
        disk.write(name, data)
        with suppress(DamagedFile):
            found = kept_approval(disk, "s")
            assert found is not None
            assert encode(found) == data

    return Case(run, [seed], None)


@target("local-entries", "participant.model.local_entries.LocalEntries")
def local_entries() -> Case:
    parameters = {"w": np.zeros(3), "seen": np.zeros(2, dtype=np.int64)}
    described, disk = Layout.of(parameters), Disk()
    LocalEntries(described, parameters, disk, "s").keep(parameters)
    name = "studies/s/local.safetensors"
    seed = disk.read(name) or b""

    def run(data: bytes) -> None:
        disk.write(name, data)
        with suppress(DamagedFile):
            found = LocalEntries(described, parameters, disk, "s").entries
            assert set(found) == {"seen"}
            assert isinstance(found["seen"], np.ndarray)

    return Case(run, [seed], SAFETENSORS)


@target("outbox", "participant.agent.outbox.Outbox", limit=8_192)
def outbox() -> Case:
    blob = bytes(5_000)
    storage = FolderStorage(scratch())
    storage.write(f"outbox/blob-{blob_name(blob).hex()}", blob)
    pending = [e.post for e in entries()[:6]]
    path = storage.path / "outbox" / "post"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(DamagedFile):
            found = Outbox(storage)
            assert found.pending is not None
            assert encode(found.pending) == data
            assert found.pending.post.sender <= 2 * MAX_MEMBERS  # guests of a handover, too
            assert set(found.sizes) == set(found.pending.blobs)
        # What belongs to no post is deleted.
        if not storage.names("outbox/blob-"):
            storage.write(f"outbox/blob-{blob_name(blob).hex()}", blob)

    seeds = [encode([s, []]) for s in pending] + [encode([pending[1], [blob_name(blob)]])]
    return Case(run, seeds)


@target("kept-vector", "participant.agent.outbox.KeptVector")
def kept_vector() -> Case:
    blob = bytes(5_000)
    name = blob_name(blob)
    storage = FolderStorage(scratch())

    def run(data: bytes) -> None:
        storage.write(f"outbox/blob-{name.hex()}", blob)
        storage.write("outbox/kept", data)
        found = Outbox(storage)
        assert found.pending is None
        assert found.blob(name) in (None, blob)

    return Case(run, [encode(["study/s/1", [name]]), encode(["study/s/1", [bytes(32), name]])])


@target("participant-lock", "protocol.programs.lock, of who holds a folder")
def participant_lock() -> Case:
    path = scratch() / "lock"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with path.open("rb") as file:
            pid, command = read_holder(file.fileno())
        assert pid is None or pid >= 0
        assert isinstance(command, str)

    return Case(run, [b"123\ntrain app.py\n", b"123 serve\n"], None)


def certificates() -> list[bytes]:
    """Self-signed ones in DER, with keys of several kinds."""
    issuer = FEDERATION.keys[0]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2026, 1, 1)
    keys: list[Any] = [
        issuer,
        ec.derive_private_key(7, ec.SECP256R1()),
        ec.derive_private_key(7, ec.BrainpoolP256R1()),
        ed448.Ed448PrivateKey.from_private_bytes(bytes(57)),
        x25519.X25519PrivateKey.from_private_bytes(bytes(32)),
    ]
    return [
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=9))
        .sign(issuer, None)
        .public_bytes(Encoding.DER)
        for key in keys
    ]


@target(
    "certificate", "participant.network.link: the key that the pin is compared with, and its owner"
)
def certificate() -> Case:
    def run(data: bytes) -> None:
        assert len(_spki_digest(data)) in (0, 32)
        assert is_plain(_whose(data))

    return Case(run, certificates(), None)


@target(
    "status-report",
    "participant.network.status.read_report and participant.cli.views.standing.show_standing",
)
def status_report() -> Case:
    def run(data: bytes) -> None:
        said: list[str] = []
        echo: Any = lambda text, file=None: said.append(text)  # noqa: E731
        with mock.patch.object(terminal.typer, "echo", echo), suppress(Malformed):
            screen.show_standing(None, read_report(data), "H1", Context())
        assert all(line.isprintable() for line in said), said
        assert sum(map(len, said)) < 600 * (len(data) + 10)

    return Case(run, [report_of_a_round()], JSON)


@target("key-note", "participant.home.key_notes: a share's note, or a backup's")
def key_note() -> Case:
    folder = scratch()
    (folder / "key-notes").mkdir()
    notes = KeyNotes(folder)
    seeds = [
        encode(ShareNote(1, bytes(32), 1_800_000_000_000, None)),
        encode(ShareNote(2, bytes(32), 1_800_000_000_000, 1_700_000_000_000)),
        encode(BackupNote(1, b"/media/stick/backup.sealed", 1_800_000_000_000)),
    ]

    def run(data: bytes) -> None:
        for name in ("share-1", "backup-0123456789abcdef"):
            (folder / "key-notes" / name).write_bytes(data)
        with suppress(ParticipantError):
            assert encode(notes.share(1)) == data
        with suppress(ParticipantError):
            (found,) = notes.backups()
            assert encode(found) == data
            assert str(found.file)

    return Case(run, seeds)


def _shelf() -> tuple[HandoverShelf, Vault]:
    terms = toy().federation.terms
    vault = Vault(scratch() / "vault", terms.federation, MEMBER, CHEAP)
    shelf = HandoverShelf(vault, PASSPHRASE, 0, "handover/1", vault)
    shelf.write("handover/1/dealing", b"a dealing")
    return shelf, vault


@target("handover-file", "participant.home.handover_shelf: what an attempt keeps, under its seal")
def handover_file() -> Case:
    shelf, vault = _shelf()
    path = vault.folder / "handover-1.dealing"
    honest = path.read_bytes()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        found = shelf.read("handover/1/dealing")
        shelf._known.clear()
        assert found == (b"a dealing" if data == honest else b""), "a seal that nobody made"

    return Case(run, [honest], None)


@target(
    "handover-promoted",
    "participant.home.handover_shelf: a share that is to have its place",
    limit=16_384,
)
def handover_promoted() -> Case:
    shelf, vault = _shelf()
    honest = encode(toy().secrets[MEMBER])

    def run(data: bytes) -> None:
        with suppress(DamagedFile):
            epoch, secret = shelf._new_key(vault.folder, vault, data)
            assert encode(secret) == data
            assert encode(epoch) == secret.epoch
            assert (epoch.number, secret.index) == (1, MEMBER)

    return Case(run, [honest])
