"""A sealed file opens for its purpose and its passphrase, and for nothing else."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from participant.errors import (
    DamagedFile,
    FileExists,
    ForeignSeal,
    MissingFile,
    NewerFormat,
    ParticipantError,
    TooLarge,
    TooLittleMemory,
    WrongPassphrase,
)
from participant.home import sealed_file
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import DEFAULT_COST, Argon2Cost, SealedFor, seal, unseal
from tests.stage.files import flipped
from tests.stage.toy_home import CHEAP, PASSPHRASE

PURPOSE = SealedFor("key share", "ab" * 32, epoch=3, member=2, session="ceremony/1")
PAYLOAD = b"the payload, which is secret"


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "share.sealed"
    seal(path, PURPOSE, PAYLOAD, PASSPHRASE, CHEAP)
    return path


def reopen(path: Path, purpose: SealedFor = PURPOSE) -> bytes:
    """As another process does: it has opened nothing before."""
    return unseal(path, purpose, anew(PASSPHRASE), "key share")


def anew(passphrase: Passphrase) -> Passphrase:
    """The same, of which no key has been derived."""
    return Passphrase(passphrase.text)


@given(payload=st.binary(max_size=300), text=st.text(st.characters(codec="utf-8")))
@settings(max_examples=50)
def test_what_is_sealed_opens(
    payload: bytes, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("seal") / "share.sealed"
    seal(path, PURPOSE, payload, Passphrase(text), CHEAP)
    assert unseal(path, PURPOSE, Passphrase(text), "key share") == payload


def test_the_default_cost_opens_and_is_that_of_rfc_9106(tmp_path: Path) -> None:
    assert (DEFAULT_COST.memory_kib, DEFAULT_COST.iterations, DEFAULT_COST.lanes) == (65536, 3, 4)
    seal(tmp_path / "s", PURPOSE, PAYLOAD, anew(PASSPHRASE))
    assert reopen(tmp_path / "s") == PAYLOAD


def test_a_sealed_file_is_private_and_hides_its_payload(sealed: Path) -> None:
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert PAYLOAD not in sealed.read_bytes()


def test_the_same_payload_is_never_sealed_to_the_same_bytes(sealed: Path, tmp_path: Path) -> None:
    seal(tmp_path / "again", PURPOSE, PAYLOAD, PASSPHRASE, CHEAP)
    assert sealed.read_bytes()[-44:] != (tmp_path / "again").read_bytes()[-44:]


def test_a_sealed_file_is_never_overwritten(sealed: Path) -> None:
    before = sealed.read_bytes()
    with pytest.raises(FileExists):
        seal(sealed, PURPOSE, b"other", PASSPHRASE, CHEAP)
    assert sealed.read_bytes() == before


def test_a_wrong_passphrase_is_told(sealed: Path) -> None:
    with pytest.raises(WrongPassphrase) as caught:
        unseal(sealed, PURPOSE, Passphrase("correct horse "), "key share")
    assert caught.value.path == sealed
    assert "correct horse" not in str(caught.value)


def test_a_wrong_passphrase_that_was_tried_seals_nothing(sealed: Path, tmp_path: Path) -> None:
    wrong = Passphrase("correct horse ")
    with pytest.raises(WrongPassphrase):
        unseal(sealed, PURPOSE, wrong, "key share")
    seal(tmp_path / "other", PURPOSE, PAYLOAD, wrong, CHEAP)
    assert root_salt(tmp_path / "other") != root_salt(sealed)


def root_salt(path: Path) -> bytes:
    header, _ = sealed_file._parse(path, path.read_bytes())
    return header.root_salt


@pytest.fixture
def derivations(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The salts from which Argon2id derives a key."""
    salts = list[bytes]()

    def derived(**asked: Any) -> Argon2id:
        salts.append(asked["salt"])
        return Argon2id(**asked)

    monkeypatch.setattr(sealed_file, "Argon2id", derived)
    return salts


def test_a_process_derives_one_key_for_all_that_it_opens_and_seals(
    sealed: Path, tmp_path: Path, derivations: list[bytes]
) -> None:
    passphrase = anew(PASSPHRASE)
    assert unseal(sealed, PURPOSE, passphrase, "key share") == PAYLOAD
    for name in ("a", "b"):
        seal(tmp_path / name, PURPOSE, name.encode(), passphrase, CHEAP)
        assert unseal(tmp_path / name, PURPOSE, passphrase, "key share") == name.encode()
    assert derivations == [root_salt(sealed)]
    assert reopen(tmp_path / "b") == b"b"  # by itself, whatever became of the others
    assert derivations == [root_salt(sealed)] * 2


def test_a_file_is_sealed_as_hard_as_it_is_asked_for(
    sealed: Path, tmp_path: Path, derivations: list[bytes]
) -> None:
    """Also after one was opened that was sealed at a lower cost."""
    passphrase = anew(PASSPHRASE)
    unseal(sealed, PURPOSE, passphrase, "key share")
    seal(tmp_path / "harder", PURPOSE, PAYLOAD, passphrase, Argon2Cost(128, 1, 1))
    assert len(derivations) == 2
    assert root_salt(tmp_path / "harder") != root_salt(sealed)


def test_another_passphrase_has_other_keys_for_the_same_salt(sealed: Path) -> None:
    right, other = anew(PASSPHRASE), Passphrase("another horse")
    unseal(sealed, PURPOSE, right, "key share")
    with pytest.raises(WrongPassphrase):
        unseal(sealed, PURPOSE, other, "key share")
    assert right == anew(PASSPHRASE)
    assert not other.salt_for(CHEAP)


def test_each_file_has_a_key_of_its_own(sealed: Path, tmp_path: Path) -> None:
    """One that is sealed under the same root key, with the same nonce, has other key stream."""
    passphrase = anew(PASSPHRASE)
    unseal(sealed, PURPOSE, passphrase, "key share")
    seal(tmp_path / "again", PURPOSE, PAYLOAD, passphrase, CHEAP)
    first, again = (sealed_file._parse(p, p.read_bytes())[0] for p in (sealed, tmp_path / "again"))
    assert first.root_salt == again.root_salt
    root = passphrase.root_key(CHEAP, first.root_salt)
    assert root is not None
    streams = {
        sealed_file._cipher(root, header).encrypt(bytes(12), bytes(32), None)
        for header in (first, again)
    }
    assert len(streams) == 2


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFile) as caught:
        reopen(tmp_path / "none")
    assert caught.value.what == "key share"


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("kind", "seed"),
        ("federation", "cd" * 32),
        ("epoch", 4),
        ("member", 1),
        ("session", "ceremony/2"),
    ],
)
def test_another_purpose_is_told_before_the_passphrase_is_tried(
    field: str, other: str | int, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def derived(*_: object) -> bytes:
        raise AssertionError("the key was derived")

    monkeypatch.setattr(sealed_file, "_root_key", derived)
    expected = msgspec.structs.replace(PURPOSE, **{field: other})
    with pytest.raises(ForeignSeal) as caught:
        reopen(sealed, expected)
    assert caught.value.differing == {field: (other, getattr(PURPOSE, field))}


def test_a_file_relabelled_for_another_purpose_does_not_open(sealed: Path) -> None:
    # Same length, so that the header still parses: only the associated data can tell.
    data = sealed.read_bytes()
    sealed.write_bytes(data.replace(b"ab" * 32, b"cd" * 32))
    relabelled = msgspec.structs.replace(PURPOSE, federation="cd" * 32)
    with pytest.raises(WrongPassphrase):
        reopen(sealed, relabelled)


def test_no_flipped_bit_opens_or_crashes(sealed: Path) -> None:
    whole = sealed.read_bytes()
    for bit in range(8 * len(whole)):
        sealed.write_bytes(flipped(whole, *divmod(bit, 8)))
        with pytest.raises(ParticipantError):
            reopen(sealed)


def test_a_flipped_bit_of_the_ciphertext_reads_as_a_wrong_passphrase(sealed: Path) -> None:
    sealed.write_bytes(flipped(sealed.read_bytes(), -20))
    with pytest.raises(WrongPassphrase):
        reopen(sealed)


def test_no_truncated_or_lengthened_file_opens(sealed: Path) -> None:
    whole = sealed.read_bytes()
    for length in range(len(whole)):
        sealed.write_bytes(whole[:length])
        with pytest.raises((DamagedFile, WrongPassphrase)):
            reopen(sealed)
    sealed.write_bytes(whole + b"\0")
    with pytest.raises(WrongPassphrase):
        reopen(sealed)


@given(data=st.binary(max_size=400))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_told_to_be_damaged(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(data)
    with pytest.raises(DamagedFile):
        reopen(tmp_path / "garbage")
    (tmp_path / "garbage").write_bytes(b"quorate sealed file\n\x01" + data)
    with pytest.raises(DamagedFile):
        reopen(tmp_path / "garbage")


def test_a_later_format_is_told(sealed: Path) -> None:
    data = bytearray(sealed.read_bytes())
    data[20] = 2
    sealed.write_bytes(data)
    with pytest.raises(NewerFormat) as caught:
        reopen(sealed)
    assert (caught.value.found, caught.value.known) == (2, 1)


@pytest.mark.parametrize(
    "cost",
    [
        Argon2Cost(1 << 30, 1, 1),
        Argon2Cost(64, 1 << 30, 1),
        Argon2Cost(64, 1, 1 << 20),
        Argon2Cost(0, 1, 1),
        Argon2Cost(64, 0, 1),
        Argon2Cost(64, 1, 0),
        Argon2Cost(-64, 1, 1),
    ],
)
def test_a_file_cannot_ask_for_more_work_than_the_bounds(
    cost: Argon2Cost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"\$"):
        seal(tmp_path / "s", PURPOSE, PAYLOAD, PASSPHRASE, cost)
    header = msgspec.msgpack.encode([PURPOSE, cost, bytes(16), bytes(12)])
    prefix = b"quorate sealed file\n\x01" + len(header).to_bytes(2, "big") + header
    (tmp_path / "hostile").write_bytes(prefix + bytes(40))
    with monkeypatch.context() as patch:
        patch.setattr(sealed_file, "Argon2id", None)
        with pytest.raises(DamagedFile, match="header"):
            reopen(tmp_path / "hostile")


def test_too_large_a_payload_or_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="at most"):
        seal(tmp_path / "s", PURPOSE, bytes((1 << 24) + 1), PASSPHRASE, CHEAP)
    seal(tmp_path / "s", PURPOSE, bytes(1 << 24), PASSPHRASE, CHEAP)
    assert reopen(tmp_path / "s") == bytes(1 << 24)
    monkeypatch.setattr(sealed_file, "_FILE_LIMIT", 1 << 24)
    with pytest.raises(TooLarge):
        reopen(tmp_path / "s")


def test_a_machine_short_of_memory_is_told(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(**_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(sealed_file, "Argon2id", exhausted)
    with pytest.raises(TooLittleMemory) as caught:
        reopen(sealed)
    assert caught.value.memory_kib == 64
