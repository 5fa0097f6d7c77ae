"""Records broken where rounds end: closings, locks, released parts, refusals, results."""

import dataclasses
from collections.abc import Callable

import msgspec

from protocol.messages.rounds import (
    Closing,
    Complaint,
    Contributor,
    Partial,
    Refusal,
    SetLock,
    Statement,
)
from protocol.record.audit.results import NOBODY
from tests.stage.record.broken_rounds import ciphertexts_at, put_ciphertexts
from tests.stage.record.good import FEW, ROUND, Good, once_more
from tests.stage.record.story import Said, Story, write
from tests.stage.record.tampering import (
    AGGREGATOR,
    LAST,
    TAMPERINGS,
    Broken,
    altered,
    tampering,
    told,
)

# ── closings ──


Contributors = tuple[Contributor, ...]


def closed(name: str, chosen: Callable[[Contributors], Contributors]) -> None:
    """Enter that the last round was closed with other contributors."""

    def make(made: Good) -> Broken:
        story = made.story.copy()
        place = story.find(LAST, Closing)
        story.alter(place, contributors=chosen(story.body(place, Closing).contributors))
        return told(story, "5.1", place)

    TAMPERINGS[name] = make


closed("closed_with_fewer_than_the_minimum", lambda them: them[:2])
closed("closed_with_a_contributor_twice", lambda them: (them[0], *them))
closed("closed_with_another_contribution", lambda them: (*them[:3], Contributor(4, bytes(32))))
altered("vector_of_the_sum_too_short", "5.1", ROUND[2], Closing, vector=())


@tampering
def sum_that_is_not_the_product(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Closing)
    total, one = ciphertexts_at(story, place), ciphertexts_at(story, place - 1)
    put_ciphertexts(story, place, msgspec.structs.replace(total, numbers=one.numbers))
    return told(story, "5.2", place)


def close_again(story: Story) -> int:
    """Let the last round be closed a second time, over three contributors; where that is."""
    first = story.find(LAST, Closing)
    closing = story.body(first, Closing)
    body = msgspec.structs.replace(closing, contributors=closing.contributors[:3])
    story.insert(first + 1, Said(LAST, 0, body, story.at(first).time_ms))
    return first + 1


@tampering
def forged_closing(made: Good) -> Broken:
    """Whoever has the aggregator's key closes a round again; nobody goes by it."""
    story = made.story.copy()
    return told(story, "5.1", close_again(story), is_failure=False)


# ── locks, releases, refusals ──


altered("checksum_left_out", "5.3", ROUND[2], SetLock, 3, is_failure=False, checksum=b"")
altered("complaint_that_proves_nothing", "5.4", ROUND[1], Complaint, is_failure=False, key=b"")
altered("another_result_stated", "6.2", LAST, Statement, 2, is_failure=False, result=bytes(32))


@tampering
def two_sets_locked_by_one_member(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Partial, 2)
    story.insert(place, Said(LAST, 2, SetLock(bytes(32)), story.at(place).time_ms))
    return told(story, "5.3", place, is_failure=False)


@tampering
def another_set_locked(made: Good) -> Broken:
    story = made.story.until(FEW)
    place = story.find(FEW, Refusal, 4)
    story.change(place, body=SetLock(bytes(32)))
    return told(story, "5.3", place, is_failure=False)


@tampering
def part_released_before_enough_had_locked(made: Good) -> Broken:
    story = made.story.copy()
    part, lock = story.find(LAST, Partial, 1), story.find(LAST, SetLock, 3)
    said = story.at(part)
    story.said.remove(said)
    story.insert(lock, dataclasses.replace(said, time_ms=story.at(lock).time_ms))
    return told(story, "5.4", lock, is_failure=False)


@tampering
def part_released_by_one_that_had_not_seen_enough_locks(made: Good) -> Broken:
    """They stand before it on the board; but its author says that it had not seen them."""
    story = made.story.copy()
    part, lock = story.find(LAST, Partial, 1), story.find(LAST, SetLock, 3)
    before = write(story).entries[lock - 2]
    story.change(part, falsified={"seen_position": before.position, "seen": before.hash})
    return told(story, "5.4", part, is_failure=False)


@tampering
def part_released_without_a_lock(made: Good) -> Broken:
    story = made.story.copy()
    del story.said[story.find(LAST, SetLock, 4) - 1]
    return Broken(write(story).files, "2.2", story.find(LAST, Partial, 4), "H4", is_failure=False)


@tampering
def part_released_twice(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Statement, 1)
    part = story.at(story.find(LAST, Partial, 3))
    story.insert(place, Said(LAST, 3, part.body, story.at(place).time_ms))
    return told(story, "5.4", place, is_failure=False)


@tampering
def two_sets_released(made: Good) -> Broken:
    """A coalition helps with a second set of the same round."""
    story = made.story.copy()
    close_again(story)
    place = story.find(LAST, Statement, 1)
    for member in (1, 2, 3):
        part = story.body(story.find(LAST, Partial, member), Partial)
        again = msgspec.structs.replace(part, chosen=bytes([2]) * 32)
        story.insert(place + member - 1, Said(LAST, member, again, story.at(place).time_ms))
    return told(story, "6.1", place + 2, AGGREGATOR)


@tampering
def complaint_that_is_false(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Statement, 1)
    lock = story.body(story.find(LAST, SetLock, 2), SetLock)
    said = Complaint(lock.chosen, 3, bytes(32))
    story.insert(place, Said(LAST, 2, said, story.at(place).time_ms))
    return told(story, "5.4", place, is_failure=False)


@tampering
def part_of_a_proven_complaint(made: Good) -> Broken:
    """Nothing is altered: the wrong part of round 1 must be named in any case."""
    place = made.story.find(ROUND[1], Partial, 4)
    return Broken(write(made.story).files, "5.4", place, "H4", is_failure=False)


@tampering
def refusal_without_reason(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Statement, 1)
    said = Refusal("recomputed-sum", 0, "the sum is another")
    story.insert(place, Said(LAST, 4, said, story.at(place).time_ms))
    return told(story, "5.5", place, is_failure=False)


@tampering
def refusal_with_reason(made: Good) -> Broken:
    """Nothing is altered: whoever refuses is named, whatever its reason."""
    story = once_more(made, remembering=True)
    return Broken(write(story).files, "5.5", story.find(ROUND[4], Refusal, 2), "H2", False)


# ── results ──


@tampering
def one_singled_out_by_two_sums(made: Good) -> Broken:
    story = once_more(made, remembering=False)
    return Broken(write(story).files, "6.3", story.find(ROUND[4], Closing), AGGREGATOR)


@tampering
def two_results_before_others_speak(made: Good) -> Broken:
    """One of the two lies, and may: nobody can say which yet."""
    story = made.story.copy()
    place = story.find(LAST, Statement, 2)
    story.alter(place, result=bytes(32))
    story.said = [one for k, one in enumerate(story.said, start=1) if k <= place or not (
        one.session == LAST and isinstance(one.body, Statement))]  # fmt: skip
    return told(story, "6.2", place, NOBODY, is_failure=False)


@tampering
def results_without_a_majority(made: Good) -> Broken:
    story = made.story.copy()
    for member in (3, 4):
        place = story.find(LAST, Statement, member)
        story.alter(place, result=bytes(32))
    return told(story, "6.2", place, NOBODY)
