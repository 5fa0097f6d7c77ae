"""What the page tells of a key that was taken over, and of the records before."""

import re
from functools import cache

from participant.report.facts import Contents, Report, gather
from participant.report.page import render
from participant.words.fingerprint import fingerprint
from protocol.messages.handover import KeyInherited
from protocol.messages.rounds import SetLock
from tests.stage.handover.inherited import SESSION
from tests.stage.record.chained import chained
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Story, write


def gathered(*stories: Story) -> Report:
    files = [MemoryFiles(write(one).files) for one in stories]
    return gather(files[0], None, files[1:])


@cache
def whole() -> Report:
    return gathered(chained().newest, chained().middle, chained().oldest)


def contents(found: Report) -> Contents:
    assert found.contents is not None
    return found.contents


def words(found: Report) -> str:
    return " ".join(re.sub("<[^>]*>", " ", render(found)).split())


def test_the_page_shows_the_predecessor_and_the_chain_in_a_line() -> None:
    said = words(whole())
    assert not whole().failed
    before = chained().middle.federation.terms
    assert f"succeeds the terms {fingerprint(before.federation)}" in said
    assert "chain of records Toy ← Toy ← Toy" in said


def test_the_facts_have_the_records_before_newest_first() -> None:
    found = [one.fingerprint for one in contents(whole()).before]
    stories = chained().middle, chained().oldest
    assert found == [fingerprint(story.federation.terms.federation) for story in stories]


def test_it_says_where_the_records_before_were_not_given() -> None:
    said = words(gathered(chained().newest))
    assert "chain of records the record of the predecessor was not given" in said
    assert "chain of records" not in words(gathered(chained().oldest))


def test_a_record_before_that_fails_is_named_in_the_line() -> None:
    story = chained().oldest.copy()
    story.alter(story.find("study/cardio/1", SetLock), chosen=bytes(32))
    found = gathered(chained().middle, story)
    assert "8.4" in found.failed
    assert "chain of records Toy ← Toy (FAILED" in words(found)


def test_the_page_shows_who_took_the_key_over_and_by_what() -> None:
    story = chained().middle.copy()
    del story.said[6:]
    story.alter(story.find(SESSION, KeyInherited, 2), position=1)
    word = story.body(story.find(SESSION, KeyInherited, 1), KeyInherited)
    found = gathered(story, chained().oldest)
    said = words(found)
    assert "it counts from entry 6 on, as epoch 3" in said
    assert f"released by entry {word.position} of the board before" in said
    assert "something else said by H3" in said
    facts = contents(found).inheritance
    assert facts is not None
    assert (facts.said, facts.said_another) == ((1, 3, 4, 5), (2,))
    assert facts.fingerprint in said
    assert "No key ceremony has begun" not in said


def test_the_page_says_that_the_key_does_not_count_yet() -> None:
    story = chained().middle.copy()
    del story.said[3:]
    said = words(gathered(story))
    assert "not taken over yet: it counts once 4 hospitals have said the same of it" in said
