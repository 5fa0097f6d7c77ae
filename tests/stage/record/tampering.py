"""The list of tamperings, and what they have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from protocol.board.post import Entry, Head, SignedPost
from tests.stage.record.good import ROUND, Good
from tests.stage.record.story import Story, Written, files_of, write

AGGREGATOR = "the aggregator"
KEY, LAST = "ceremony/2", ROUND[3]  # the ceremony that made the key, and the last round


@dataclass(frozen=True)
class Broken:
    """A record in which something is wrong, and the remark that must be made about it."""

    files: dict[str, bytes]
    check: str
    entry: int
    party: str
    is_failure: bool = True
    fingerprint: bytes = b""  # what the reader gives, if not the right one
    since: Head | None = None


Tampering = Callable[[Good], Broken]
TAMPERINGS: dict[str, Tampering] = {}


def tampering(make: Tampering) -> Tampering:
    """Enter it into the list."""
    TAMPERINGS[make.__name__] = make
    return make


def told(story: Story, check: str, place: int, party: str = "", is_failure: bool = True) -> Broken:
    """A story as the record has it; who spoke at the place is named, unless another is."""
    terms, sender = story.federation.terms, story.at(place).sender
    party = party or (terms.name_of(sender) if sender else AGGREGATOR)
    return Broken(write(story).files, check, place, party, is_failure)


def altered(
    name: str,
    check: str,
    session: str,
    kind: type,
    sender: int | None = None,
    /,
    *,
    is_failure: bool = True,
    **fields: object,
) -> None:
    """Enter that a session ended after a post was said with other fields."""

    def make(made: Good) -> Broken:
        story = made.story.until(session)
        place = story.find(session, kind, sender)
        story.alter(place, **fields)
        return told(story, check, place, is_failure=is_failure)

    TAMPERINGS[name] = make


def retold(name: str, check: str, kind: type, by: int, party: str, /, **changes: object) -> None:
    """Enter that a post of the last round was said, signed or placed otherwise."""

    def make(made: Good) -> Broken:
        story = made.story.copy()
        place = story.find(LAST, kind, by)
        story.change(place, **changes)
        return told(story, check, place, party)

    TAMPERINGS[name] = make


def rechained(
    written: Written,
    change: Callable[[int, SignedPost], SignedPost | None] = lambda position, post: post,
    begin: bytes = b"",
) -> dict[str, bytes]:
    """The files after the aggregator has changed posts, or left them out, and chained again."""
    entries, previous = list[Entry](), begin or written.entries[0].previous
    for position, entry in enumerate(written.entries, start=1):
        if (post := change(position, entry.post)) is not None:
            entries.append(Entry(len(entries) + 1, previous, entry.time_ms, post))
            previous = entries[-1].hash
    return files_of(written.story, entries)
