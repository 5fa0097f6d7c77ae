"""Damage of any kind to any file is seen, and no audit ends with an error of another kind."""

from collections.abc import Callable
from functools import cache

import pytest

from protocol.board.post import SignedPost
from protocol.messages.rounds import Contribution
from protocol.record.audit.checks import Audit, audit
from protocol.record.files import blob_path
from tests.stage.files import flipped
from tests.stage.record.good import good
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Written, write
from tests.stage.record.tampering import rechained


@cache
def whole() -> Written:
    return write(good().story)


def audited(files: dict[str, bytes]) -> Audit:
    return audit(MemoryFiles(files), b"n" * 32)


def kinds() -> dict[str, int]:
    """The position of a post of each kind, and of each step of a ceremony."""
    found = dict[str, int]()
    for position, one in enumerate(good().story.said, start=1):
        found[getattr(one.body, "step", type(one.body).__name__)] = position
    return found


@pytest.mark.parametrize("kind", kinds())
def test_a_bit_flipped_in_any_kind_of_entry_is_seen(kind: str) -> None:
    position, files = kinds()[kind], dict(whole().files)
    path = whole().path(position)
    files[path] = flipped(files[path], len(files[path]) // 2)
    (chain,) = [r for r in audited(files).results if r.number == "2.1"]
    assert [f.entry for f in chain.failures] == [position]


@pytest.mark.parametrize("kind", kinds())
def test_a_bit_flipped_in_any_kind_of_post_and_chained_again_is_seen(kind: str) -> None:
    place = kinds()[kind]

    def flip(position: int, post: SignedPost) -> SignedPost:
        return SignedPost(flipped(post.post), post.signature) if position == place else post

    (posts,) = [r for r in audited(rechained(whole(), flip)).results if r.number == "2.2"]
    assert [f.entry for f in posts.failures] == [place]


DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "flipped": lambda data: flipped(data, len(data) // 3),
    "cut": lambda data: data[: len(data) // 2],
    "longer": lambda data: data + b"\0",
    "empty": lambda data: b"",
    "gone": lambda data: None,
}


FILES = ("record.json", "federation.toml", "entries/", "blobs/", "heads/")
# A countersignature that is not there is missed by nobody.
CASES = [(f, d) for f in FILES for d in DAMAGE if (f, d) != ("heads/", "gone")]


@pytest.mark.parametrize(("kind", "damage"), CASES)
def test_damage_to_any_file_is_seen(kind: str, damage: str) -> None:
    files = dict(whole().files)
    path = min(path for path in files if path.startswith(kind))
    changed = DAMAGE[damage](files.pop(path))
    if changed is not None:
        files[path] = changed
    assert not audited(files).holds


def test_an_empty_folder_is_no_record() -> None:
    found = audited({})
    assert not found.holds
    assert found.federation is None
    assert found.head is None


def test_a_file_that_is_named_by_a_hash_belongs_where_that_hash_lies_alone() -> None:
    """Such files are looked for by the hash in their names."""
    entry = whole().entries[0].hash.hex()
    blob = next(path for path in whole().files if path.startswith("blobs/"))[6:-4]
    strays = [
        *(f"copies/{entry}.msgpack", f"{entry}.msgpack", f"blobs/{entry}.bin"),
        *(f"entries/{entry.upper()}.msgpack", f"entries/{entry}", f"entries/{entry}.2.msgpack"),
        *(f"entries/{'0' * 64}.msgpack", f"blobs/{'0' * 64}.bin"),
        *(f"entries/{blob}.msgpack", f"blobs/{blob}.msgpack", f"blobs/{blob.upper()}.bin"),
    ]
    found = audited({**whole().files, **dict.fromkeys(strays, b"")})
    (chain,) = [r for r in found.results if r.number == "2.1"]
    assert [f.reason.split()[0] for f in chain.failures] == sorted(strays)


def test_that_a_contributions_payload_is_missing_is_nobodys_fault() -> None:
    contributions = [p for p in good().story.said if isinstance(p.body, Contribution)]
    said = next(one.body.ciphertexts for one in contributions if one.body.ciphertexts.is_blob)
    found = audited({k: v for k, v in whole().files.items() if k != blob_path(said.digest)})
    assert found.failed == ("2.4",)
    (units,) = [r for r in found.results if r.number == "4.2"]
    assert "is missing" in units.not_run
    assert not units.findings
