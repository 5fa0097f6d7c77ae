"""An audit finds the same wherever its work is done, and wherever a chunk of it ends."""

import dataclasses
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from protocol.board.post import Entry, Post
from protocol.encoding import decode, encode
from protocol.messages import MAX_POST_BYTES, Partial, attachments_of
from protocol.programs.crew import Crew
from protocol.record.audit import evidence
from protocol.record.audit.checks import Audit, audit
from protocol.record.audit.observed import spread as spreading
from tests.sampled import sampled
from tests.stage.record.broken import TAMPERINGS
from tests.stage.record.good import good
from tests.stage.record.handed import handed_over
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Story, write
from tests.stage.record.tampering import Broken

T = TypeVar("T")
R = TypeVar("R")
NONCE = b"n" * 32


@cache
def made(name: str) -> Broken:
    return TAMPERINGS[name](good())


class Elsewhere:
    """As another process gets it, and gives it back."""

    begun = 0

    def begin(self) -> None:
        self.begun += 1

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
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


@pytest.mark.parametrize("name", sampled(TAMPERINGS, 4))
def test_what_is_wrong_with_a_record_is_found_alike(name: str) -> None:
    broken = made(name)
    files = MemoryFiles(broken.files)
    assert told(audited(files, broken, Elsewhere())) == told(audited(files, broken, None))


def test_guests_signatures_and_many_epochs_are_judged_alike() -> None:
    files = MemoryFiles(write(handed_over()).files)
    found = audited(files, None, Elsewhere())
    assert found.holds
    assert told(found) == told(audited(files, None, None))


def test_real_processes_find_the_same() -> None:
    files = MemoryFiles(write(good().story).files)
    with Crew(2) as crew:
        found = audited(files, None, crew)
    assert found.holds
    assert told(found) == told(audited(files, None, None))


def test_a_file_that_changes_once_its_signature_was_looked_at_changes_nothing() -> None:
    """Whoever can write into the folder meanwhile gains nothing: what was verified counts."""
    written = write(good().story)
    files = MemoryFiles(written.files)
    whole = told(audited(files, None, None))

    class Changing(Elsewhere):
        def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
            answers = list(super().map(function, items))
            files[written.path(len(written.entries))] = forged(written.entries[-1])
            yield from answers

    assert told(audited(files, None, Changing())) == whole
    assert "2.1" in audited(files, None, Elsewhere()).failed


def test_no_other_entry_is_told_of_under_a_name() -> None:
    """Else one that is not on the chain would count."""
    written, terms = write(good().story), good().toy.federation.terms
    files = MemoryFiles(written.files)
    keys = [terms.key_of(sender) for sender in range(terms.n_members + 1)]
    hashes = [entry.hash for entry in written.entries[:2]]
    assert all(spreading.UnreadEntries(files, hashes, keys).read())
    files[written.path(2)] = files[written.path(1)]
    first, second = spreading.UnreadEntries(files, hashes, keys).read()
    assert first is not None
    assert second is None


def test_an_entry_is_told_of_as_it_is_but_for_what_is_sealed_in_it() -> None:
    written, terms = write(good().story), good().toy.federation.terms
    keys = [terms.key_of(sender) for sender in range(terms.n_members + 1)]
    hashes = [entry.hash for entry in written.entries]
    found = spreading.opened(Elsewhere(), MemoryFiles(written.files), hashes, keys)
    sealed = 0
    for told_of, entry in zip(found, written.entries, strict=True):
        assert told_of is not None
        own = (entry.position, entry.previous, entry.hash, entry.time_ms, entry.post.digest)
        assert (*told_of[:4], told_of.digest) == own
        post = decode(entry.post.post, Post, "post", MAX_POST_BYTES)
        for shown, whole in zip(
            attachments_of(told_of.post.body), attachments_of(post.body), strict=True
        ):
            is_sealed = isinstance(post.body, Partial) and whole.to
            assert shown == (replace(whole, data=b"") if is_sealed else whole)
            sealed += bool(is_sealed)
        if not isinstance(post.body, Partial):
            assert told_of.post == post
    assert sealed


def another_federation(story: Story, k: int) -> None:
    story.said[k] = dataclasses.replace(story.said[k], falsified={"federation": bytes(32)})


def another_payload(story: Story, k: int) -> None:
    """What is sealed to a member has not the hash that the post gives."""
    body = story.said[k].body
    assert isinstance(body, Partial)
    *others, last = body.attachments
    attachments = (*others, replace(last, digest=bytes(32)))
    changed = replace(body, attachments=attachments)
    story.said[k] = dataclasses.replace(story.said[k], body=changed)


@pytest.mark.parametrize("change", [another_federation, another_payload])
def test_what_is_signed_and_cannot_be_said_is_found(change: Callable[[Story, int], None]) -> None:
    story = good().story.copy()
    k = next(k for k, one in enumerate(story.said) if isinstance(one.body, Partial))
    change(story, k)
    files = MemoryFiles(write(story).files)
    found = audited(files, None, Elsewhere())
    assert "2.2" in found.failed
    assert told(found) == told(audited(files, None, None))


def test_processes_begin_before_the_chain_is_read_where_much_of_it_is_new(monkeypatch) -> None:
    files = MemoryFiles(write(good().story).files)
    few, many, known = Elsewhere(), Elsewhere(), Elsewhere()
    audited(files, None, few)
    monkeypatch.setattr(evidence, "MANY", 10)
    audited(files, None, many)
    note = audit(files, NONCE, notes=True).verified
    assert audit(files, NONCE, spread=known, verified=note).known
    assert (few.begun, many.begun, known.begun) == (0, 1, 0)
