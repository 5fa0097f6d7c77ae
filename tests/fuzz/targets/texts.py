"""Decoders of terms, cards and records: texts that people pass around."""

import atexit
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from keyshare.errors import UnfitNumber
from participant.errors import BadCard, BadPassphrase, ParticipantError
from participant.home.identity import Card, read_card, write_card
from participant.home.passphrase import obtain
from participant.home.terms_file import read_aggregator_card, read_terms
from participant.statistic.number_files import read_numbers
from protocol.board.board import Board
from protocol.board.post import Entry, Head, decode_entry
from protocol.board.rest import RestingRound
from protocol.board.study import check_plan
from protocol.encoding import decode, encode
from protocol.errors import BadPlan, BadSignature, BadTerms, Malformed
from protocol.messages.fields import MAX_POST_BYTES
from protocol.messages.plan import Statistic
from protocol.messages.rounds import NEAR_TO_NOTHING
from protocol.programs.file_kind import SEALED_MAGIC, Kind, kind_of, kind_of_data
from protocol.record.audit.observed.spread import UnreadEntries
from protocol.record.files import (
    Countersignature,
    Manifest,
    check_countersignature,
    countersign,
    entry_path,
    read_countersignature,
    read_entries,
    read_manifest,
    write_manifest,
)
from protocol.record.verified import Verified, _hashed, read_verified
from protocol.rounds.known import PastContribution, PastRound
from protocol.rounds.statistic import decode_sums
from protocol.signing import public_bytes
from protocol.study.plan_file import parse_plan, render_plan
from protocol.terms.address_card import render_card
from protocol.terms.predecessor import Predecessor
from protocol.terms.terms import TermsText, check, parse, render
from tests.fuzz.codecs import JSON, TOML
from tests.fuzz.target import Case, target
from tests.fuzz.targets.frames import DIGEST, FEDERATION, TERMS, entries
from tests.fuzz.targets.keys import toy
from tests.stage.record.memory import MemoryFiles
from tests.stage.studies import statistic_study, training_study
from tests.stage.toy import replace_terms

SIGNED = FEDERATION.signed_text().encode()


def scratch() -> Path:
    """A folder in memory where there is one; the process's own."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None, prefix="quorate-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@target("terms", "protocol.terms.terms.parse, participant.home.terms_file.read_terms", limit=8_192)
def terms() -> Case:
    path = scratch() / "federation.toml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(BadTerms):
            found = read_terms(path)
            check(found.terms)
            assert parse(render(found.terms, found.card)) == TermsText(found.terms, {}, found.card)
            assert set(found.signatures) <= {member.name for member in found.terms.members}
            if found.unsigned() is None:
                assert found.terms == TERMS, "signatures under terms that nobody signed"

    succeeding = replace_terms(TERMS, predecessor=Predecessor(DIGEST, "handover"))
    texts = [SIGNED, render(TERMS).encode(), render(succeeding).encode()]
    return Case(run, texts, TOML)


@target("plan", "protocol.study.plan_file.parse_plan", limit=8_192)
def plan() -> Case:
    def run(data: bytes) -> None:
        with suppress(BadPlan, UnicodeDecodeError):
            found = parse_plan(data.decode(), TERMS)
            check_plan(found.plan, TERMS)
            assert parse_plan(render_plan(found), TERMS) == found

    studies = training_study(TERMS), statistic_study(TERMS, labels=("men", "women"))
    return Case(run, [render_plan(study).encode() for study in studies], TOML)


@target("file-kind", "protocol.programs.file_kind.kind_of_data, through kind_of")
def file_kind() -> Case:
    path = scratch() / "any"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        found = kind_of_data(data)
        assert found is None or found in Kind
        assert kind_of(path) == (found or Kind.FILE)

    return Case(run, [SIGNED, b'{"kty": "DAJ", "n": "AQ"}', SEALED_MAGIC], TOML)


@target("card", "participant.home.identity.read_card")
def card() -> Case:
    folder = scratch()
    path, own = folder / "card.toml", Card("H1", public_bytes(FEDERATION.keys[1]))
    write_card(path, own)
    seed = path.read_bytes()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(BadCard):
            found = read_card(path)
            assert len(found.key) == 32
            assert 1 <= len(found.name) <= 64
            assert len(found.fingerprint.split()) == 12

    return Case(run, [seed], TOML)


@target("aggregator-card", "protocol.terms.address_card, participant.home.terms_file")
def aggregator_card() -> Case:
    path, seed = scratch() / "aggregator.toml", render_card(FEDERATION.card).encode()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(BadCard):
            found = read_aggregator_card(path)
            assert len(found.key) == 32
            assert found == FEDERATION.card, "a card that nobody signed"

    return Case(run, [seed], TOML)


@target("passphrase-file", "participant.home.passphrase.obtain", limit=5_000)
def passphrase_file() -> Case:
    path = scratch() / "passphrase"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(BadPassphrase, ParticipantError):
            found = obtain(path, new=bool(len(data) % 2), environment={})
            assert found.encoded()
            assert found.text not in repr(found) or len(found.text) < 9

    return Case(run, [b"correct horse\n", "pässwörter\r\n".encode(), b"\xff"], None)


@target(
    "numbers",
    "participant.statistic.number_files.read_numbers, participant.statistic.phe_files",
    limit=8_192,
)
def numbers() -> Case:
    path, n = scratch() / "numbers", toy().key.n

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(ParticipantError):
            found = read_numbers(path, n)
            assert len(found.values) >= 1
            assert len(found.labels) in (0, len(found.values))
            asked = Statistic(len(found.values), 0, "patients", found.labels)
            assert decode(encode(asked), Statistic, "statistic", MAX_POST_BYTES) == asked
            with suppress(UnfitNumber):
                plaintexts = found.plaintexts(found.decimals, 5, n)
                sums = decode_sums(plaintexts, found.decimals, n)
                assert sums == list(found.values), "a number is not contributed as it is written"

    r, m = 7, 5
    number = str(int((1 + m * n) * pow(r, n, n * n) % (n * n))).encode()
    seeds = [
        b'{"public_key": {"n": %d}, "values": [["%s", 0, "7"], [%s, -3, 7]]}' % (n, number, number),
        b'{"v": "%s", "e": -32, "r": 7}' % number,
        b'[{"v": "%s", "e": 1, "r": "7"}, {"v": %s, "e": 0, "r": 7}]' % (number, number),
        b'[["%s", 0]]' % number,
        b"[3, 5.25, -1e-3]",
        b'{"men": 3, "women": 5.0}',
        b"number\n3\n5.25\n-1e-3\n",
        b'label,number\nmen,3\n"all, even so",5\n',
        b"\xef\xbb\xbfa,1\r\nb,2\r\n",
    ]
    return Case(run, seeds, JSON)


@target("record-manifest", "protocol.record.files.read_manifest")
def record_manifest() -> Case:
    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = read_manifest(data)
            assert write_manifest(found) == data
            assert len(found.federation) == len(found.head.hash) == 32
            assert 0 <= found.head.position < 1 << 48

    return Case(run, [write_manifest(Manifest(DIGEST, Head(7, DIGEST), 3))], JSON)


@target("countersignature", "protocol.record.files.read_countersignature, check_countersignature")
def countersignature() -> Case:
    said = countersign(TERMS.federation, 1, Head(7, DIGEST), FEDERATION.keys[1])
    key = TERMS.members[0].key

    def run(data: bytes) -> None:
        with suppress(Malformed, BadSignature):
            found: Countersignature = read_countersignature(data)
            assert encode(found) == data
            check_countersignature(found, key)
            assert found == said, "a signature that nobody made"

    return Case(run, [encode(said)])


@target("signed-entry", "protocol.record.audit.observed.spread.UnreadEntries", limit=8_192)
def signed_entry() -> Case:
    """The input is taken for an entry, under the name that its own hash gives it."""
    known = entries()
    keys = [TERMS.key_of(sender) for sender in range(TERMS.n_members + 1)]
    said = {entry.post.post for entry in known}

    def run(data: bytes) -> None:
        try:
            name = decode_entry(data).hash
        except Malformed:
            name = DIGEST
        (found,) = UnreadEntries(MemoryFiles({entry_path(name): data}), [name], keys).read()
        assert not found or decode_entry(data).post.post in said, "a signature that nobody made"

    return Case(run, [encode(entry) for entry in known])


@target("verified", "protocol.record.verified.read_verified")
def verified() -> Case:
    """The input is taken for what stands behind its hash."""

    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = read_verified(_hashed(data))
            assert encode(found) == data
            assert len(found.federation) == len(found.head.hash) == len(found.rules) == 32
            assert not found.is_in_order or found.places[-1] == found.head

    resting = RestingRound("study/cardio/1", ((1, 3), (70, 70)))
    changes: dict[str, Any] = {"position": 71, "head": DIGEST, "resting": (resting,)}
    board = replace(Board(TERMS).state, **changes, awake=(4, 5))
    said = PastContribution(2, 1, NEAR_TO_NOTHING)
    past = PastRound("study/cardio/1", 1, "model", DIGEST, 1.0, (1, 2), (said,), 3, 0, 0, (3,))
    places = ((3, DIGEST), (5, DIGEST), (70, DIGEST), (71, DIGEST))
    return Case(run, [encode(Verified(DIGEST, DIGEST, board, 7, places, (past,)))])


@target("record-entries", "protocol.record.files.read_entries", limit=8_192)
def record_entries() -> Case:
    """The input is taken for the last entry, under the name that its own hash gives it."""
    first = entries()[0]
    files = MemoryFiles({entry_path(first.hash): encode(first)})
    others = entries()[1:]
    seeds = [encode(Entry(2, first.hash, other.time_ms, other.post)) for other in others]

    def run(data: bytes) -> None:
        try:
            head = Head(2, decode_entry(data).hash)
        except Malformed:
            head = Head(1, DIGEST)
        found = MemoryFiles(files | {entry_path(head.hash): data})
        with suppress(Malformed):
            read = list(read_entries(found, head))
            assert [e.position for e in read] == [2, 1]
            assert read[0].previous == read[1].hash

    return Case(run, seeds)
