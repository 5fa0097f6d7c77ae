"""An audit finds the same wherever its work is done, and wherever a chunk of it ends."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TypeVar

import msgspec
import pytest

from protocol.board.post import Entry
from protocol.encoding import encode
from protocol.programs.crew import Crew
from protocol.record.audit.checks import Audit, audit
from protocol.record.audit.observed import spread as spreading
from tests.stage.record.broken import TAMPERINGS
from tests.stage.record.good import good
from tests.stage.record.handed import handed_over
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import write
from tests.stage.record.tampering import Broken

T = TypeVar("T")
R = TypeVar("R")
NONCE = b"n" * 32


@cache
def made(name: str) -> Broken:
    return TAMPERINGS[name](good())


def elsewhere(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """As another process gets it, and gives it back."""
    for item in items:
        called, given = pickle.loads(pickle.dumps((function, item)))
        yield pickle.loads(pickle.dumps(called(given)))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch) -> None:
    """So that most rounds are cut by the end of one."""
    monkeypatch.setattr(spreading, "_ENTRIES", 3)
    monkeypatch.setattr(spreading, "_ROUNDS", 1)


def told(found: Audit) -> list[object]:
    """All that it says."""
    return [vars(result) for result in found.results] + [found.federation, found.head]


def forged(entry: Entry) -> bytes:
    """The entry with a signature that does not fit."""
    post = msgspec.structs.replace(entry.post, signature=bytes(64))
    return encode(msgspec.structs.replace(entry, post=post))


def audited(files: MemoryFiles, broken: Broken | None, spread: spreading.Spread | None) -> Audit:
    expected = broken.fingerprint if broken else None
    return audit(files, NONCE, expected, broken.since if broken else None, spread=spread)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_is_wrong_with_a_record_is_found_alike(name: str) -> None:
    broken = made(name)
    files = MemoryFiles(broken.files)
    assert told(audited(files, broken, elsewhere)) == told(audited(files, broken, None))


def test_guests_signatures_and_many_epochs_are_judged_alike() -> None:
    files = MemoryFiles(write(handed_over()).files)
    found = audited(files, None, elsewhere)
    assert found.holds
    assert told(found) == told(audited(files, None, None))


def test_real_processes_find_the_same() -> None:
    files = MemoryFiles(write(good().story).files)
    with Crew(2) as crew:
        found = audited(files, None, crew.map)
    assert found.holds
    assert told(found) == told(audited(files, None, None))


def test_a_file_that_changes_after_its_signature_was_looked_at_is_looked_at_again() -> None:
    """Whoever can write into the folder meanwhile gains nothing."""
    written = write(good().story)
    files = MemoryFiles(written.files)
    path = written.path(len(written.entries))

    def changing(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        answers = [function(item) for item in items]
        files[path] = forged(written.entries[-1])
        yield from answers

    assert "2.2" in audited(files, None, changing).failed


def test_of_a_file_with_another_entry_no_signature_is_known_to_fit() -> None:
    """Else one that is put back after this look would be taken without a second one."""
    written, terms = write(good().story), good().toy.federation.terms
    files = MemoryFiles(written.files)
    keys = [terms.key_of(sender) for sender in range(terms.n_members + 1)]
    hashes = [entry.hash for entry in written.entries[:2]]
    assert spreading.Signed(files, hashes, keys).fit() == [True, True]
    files[written.path(2)] = files[written.path(1)]
    assert spreading.Signed(files, hashes, keys).fit() == [True, False]
