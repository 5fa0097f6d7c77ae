"""A record of a federation that took a key over, checked with the records of those before it."""

from typing import Any

import pytest
from msgspec.structs import replace

from protocol.board.inheritance import Inheritance
from protocol.encoding import decode, encode
from protocol.key.epoch import MAX_EPOCH_BYTES, Epoch
from protocol.messages.handover import BareWord, KeyInherited
from protocol.messages.inherited_sums import InheritedPart, part_name, read_inherited_sums
from protocol.messages.rounds import SetLock
from protocol.record import MANIFEST_PATH
from protocol.record.audit.chain_checks import NOT_GIVEN
from protocol.record.audit.checks import Audit, audit
from protocol.record.audit.results import Result, Status
from tests.stage.handover.inherited import SESSION
from tests.stage.record.chained import chained
from tests.stage.record.handed import REFRESH, succession
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Story, write

NONCE = b"n" * 32


def audited(story: Story, *older: Story) -> Audit:
    files = [MemoryFiles(write(one).files) for one in (story, *older)]
    return audit(files[0], NONCE, story.federation.terms.federation[:16], older=files[1:])


def result_of(found: Audit, number: str) -> Result:
    (result,) = [r for r in found.results if r.number == number]
    return result


def failures(found: Audit, number: str) -> list[str]:
    return [remark.reason for remark in result_of(found, number).failures]


def told(**changes: Any) -> Story:
    """The middle story, in which all members say something else of the key."""
    story = chained().middle.copy()
    for member in story.federation.members:
        story.alter(story.find(SESSION, KeyInherited, member), **changes)
    return story


WORD = chained().middle.body(chained().middle.find(SESSION, KeyInherited), KeyInherited)
EPOCH = decode(WORD.epoch, Epoch, "epoch", MAX_EPOCH_BYTES)


def test_a_chain_of_three_records_holds() -> None:
    found = audited(chained().newest, chained().middle, chained().oldest)
    assert found.holds, found.failed
    assert found.before is not None
    assert found.before.before is not None
    assert found.before.before.before is None
    names = [found.federation, found.before.federation, found.before.before.federation]
    stories = chained().newest, chained().middle, chained().oldest
    assert names == [story.federation.terms.federation for story in stories]
    for each in (found, found.before):
        assert all(result_of(each, n).count for n in ("8.1", "8.2", "8.3", "8.4", "8.5"))


def test_it_is_said_who_has_the_key_from_when_on() -> None:
    story = chained().middle.copy()
    del story.said[4], story.said[5:]  # lock_threshold of five words, and the sums, are left
    found = result_of(audited(story, chained().oldest), "8.1")
    assert found.count == 4
    assert found.notes == [
        "nothing was said yet by G2",
        "said alike by G1, H3, H1, H2",
        f"the key counts from entry 5 on: epoch 3, released by entry {WORD.position} of the "
        "predecessor's board",
    ]


def test_without_the_record_before_it_is_said_that_this_was_not_checked() -> None:
    found = audited(chained().middle)
    assert found.holds
    for number in ("8.2", "8.3", "8.4", "8.5"):
        result = result_of(found, number)
        assert (result.status, result.not_run) == (Status.NOT_RUN, NOT_GIVEN)
    assert result_of(found, "8.1").status is Status.OK


def test_terms_that_succeed_no_others_have_no_record_before() -> None:
    found = audited(chained().oldest, chained().middle)
    assert failures(found, "8.2")[0] == "a predecessor's record was given, and the terms name none"
    alone = audited(chained().oldest)
    assert alone.holds
    assert not result_of(alone, "8.4").not_run


def test_another_federations_record_fails() -> None:
    found = audited(chained().newest, chained().oldest)
    (reason,) = failures(found, "8.2")
    assert "do not succeed" in reason
    assert failures(found, "8.4") == ["checks of the predecessor's record failed: 1.2"]


def test_a_record_that_ends_before_the_release_does_not_show_it() -> None:
    story = chained().oldest.copy()
    del story.said[WORD.position - 1 :]
    found = audited(chained().middle, story)
    assert failures(found, "8.3") == [
        f"the predecessor's record ends before entry {WORD.position} of the predecessor's board"
    ]


def test_a_record_that_ends_with_the_release_shows_it() -> None:
    story = chained().oldest.copy()
    del story.said[WORD.position :]
    assert audited(chained().middle, story).holds


def test_another_entry_than_the_one_named_fails() -> None:
    found = audited(told(hash=bytes(32)), chained().oldest)
    assert failures(found, "8.3") == [
        f"entry {WORD.position} of the predecessor's board is another one than they say"
    ]


def entry_before(position: int) -> dict[str, object]:
    """A word that names another entry of the old board, as it is there."""
    return {"position": position, "hash": succession().table.board.hash_at(position)}


def test_an_entry_that_released_nothing_fails() -> None:
    found = audited(told(**entry_before(WORD.position - 1)), chained().oldest)
    assert failures(found, "8.3") == [
        f"no handover was released with entry {WORD.position - 1} of the predecessor's board"
    ]


def test_a_release_to_others_fails() -> None:
    refresh = succession().table.board.key.handovers.all[1]
    assert refresh.about.session == REFRESH
    assert refresh.released_at is not None
    found = audited(told(**entry_before(refresh.released_at)), chained().oldest)
    assert failures(found, "8.3") == [
        f"{REFRESH} was to another federation",
        f"the key is another one than {REFRESH} gave",
    ]


def test_another_key_than_was_handed_over_fails() -> None:
    other = encode(replace(EPOCH, number=9))
    story = told(epoch=other)
    del story.said[story.federation.terms.n_members :]  # no handover of that key was proposed
    found = audited(story, chained().oldest)
    assert failures(found, "8.3") == ["the key is another one than handover/3 gave"]
    assert not found.holds


def test_what_fails_in_the_oldest_record_fails_in_all_after_it() -> None:
    story = chained().oldest.copy()
    lock = story.find("study/cardio/1", SetLock)
    story.alter(lock, chosen=bytes(32))
    found = audited(chained().newest, chained().middle, story)
    assert not found.holds
    assert found.before is not None
    assert found.before.before is not None
    assert found.before.before.failed
    assert failures(found.before, "8.4")
    numbers = found.before.failed
    assert "8.4" in numbers
    assert failures(found, "8.4") == [
        f"checks of the predecessor's record failed: {', '.join(numbers)}"
    ]


def test_a_record_before_whose_chain_is_broken_ends_the_checks_of_the_key() -> None:
    files = [MemoryFiles(write(s).files) for s in (chained().middle, chained().oldest)]
    entry = next(path for path in files[1] if path.startswith("entries/"))
    del files[1][entry]
    found = audit(files[0], NONCE, older=files[1:])
    assert failures(found, "8.2") == ["the board in the predecessor's record cannot be read whole"]
    for number in ("8.3", "8.5"):
        assert result_of(found, number).not_run == "it depends on 8.2"
    assert failures(found, "8.4")


def test_so_does_one_that_cannot_be_read() -> None:
    files = [MemoryFiles(write(s).files) for s in (chained().middle, chained().oldest)]
    del files[1][MANIFEST_PATH]
    found = audit(files[0], NONCE, older=files[1:])
    assert failures(found, "8.2")
    assert result_of(found, "8.3").not_run == "it depends on 8.2"


def test_so_does_one_with_an_entry_that_breaks_a_rule() -> None:
    story = chained().oldest.copy()
    story.change(len(story.said), falsified={"sequence": 99})
    found = audited(chained().middle, story)
    assert failures(found, "8.2") == ["the board in the predecessor's record cannot be read whole"]
    assert result_of(found, "8.3").not_run == "it depends on 8.2"


# ── what members said ──


def test_a_member_that_says_something_else_is_a_finding() -> None:
    story = chained().middle.copy()
    place = story.find(SESSION, KeyInherited, 2)
    story.alter(place, position=1)
    found = audited(story, chained().oldest)
    (remark,) = result_of(found, "8.1").findings
    assert (remark.entry, remark.party) == (place, "H3")
    assert found.holds


def test_enough_members_that_say_no_key_fail() -> None:
    story = told(epoch=b"no key")
    del story.said[story.federation.terms.n_members :]
    found = audited(story, chained().oldest)
    assert ["what enough members say they took over" in r for r in failures(found, "8.1")] == [True]


def test_too_few_words_are_noted() -> None:
    story = chained().middle.copy()
    del story.said[3:]
    found = audited(story, chained().oldest)
    assert found.holds
    assert "4 members have not said the same yet" in result_of(found, "8.1").notes
    assert result_of(found, "8.3").notes == ["no key counts yet"]


def test_a_key_that_a_board_counts_too_early_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the members' own code would let fewer decide."""
    take = Inheritance.take

    def eager(self: Inheritance, sender: int, body: KeyInherited) -> bool:
        self.said.setdefault(90, body)  # as if one more had said so
        return take(self, sender, body)

    monkeypatch.setattr(Inheritance, "take", eager)
    story = chained().middle.copy()
    story.said.insert(3, story.said.pop(5))  # the sums, before the word that makes them count
    found = audited(story, chained().oldest)
    assert failures(found, "8.1") == ["the key does not count from the entry that makes it so"]


def test_a_key_that_a_board_counts_without_the_sums_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inheritance, "missing_parts", [])
    found = audited(chained().middle, chained().oldest)
    assert failures(found, "8.1") == ["the key does not count from the entry that makes it so"]


def test_a_key_that_a_board_counts_with_other_sums_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the members' own code would take any part for the one that was named."""
    monkeypatch.setattr(Inheritance, "part_excess", lambda self, body: "")
    story = chained().middle.copy()
    place = story.find(SESSION, InheritedPart)
    sums = read_inherited_sums((story.body(place, InheritedPart).data,))
    (fewer,) = replace(sums, sums=sums.sums[:1]).parts()
    story.alter(place, data=fewer)
    found = audited(story, chained().oldest)
    assert failures(found, "8.1") == ["the key does not count from the entry that makes it so"]


def test_without_the_sums_no_key_counts() -> None:
    story = chained().middle.copy()
    del story.said[5:]
    found = audited(story, chained().oldest)
    assert found.holds
    assert "the sums that they name are not all there yet" in result_of(found, "8.1").notes


# ── the sums that were taken over ──


OTHER_SUMS = "the sums or models of the predecessor's board are others than they say"


def test_the_sums_of_the_record_before_are_recomputed() -> None:
    found = result_of(audited(chained().middle, chained().oldest), "8.5")
    assert (found.count, found.failures) == (3, [])  # of two rounds, and a study's models
    newest = result_of(audited(chained().newest, chained().middle), "8.5")
    assert (newest.count, newest.failures) == (3, [])  # and handed on again


def test_fewer_sums_than_may_be_open_fail() -> None:
    story = told(sums=())
    del story.said[story.federation.terms.n_members :]
    found = audited(story, chained().oldest)
    assert failures(found, "8.5") == [OTHER_SUMS]
    assert not found.holds


def test_other_models_than_were_stated_fail() -> None:
    place = chained().middle.find(SESSION, InheritedPart)
    sums = read_inherited_sums((chained().middle.body(place, InheritedPart).data,))
    (trained,) = sums.models
    (data,) = replace(sums, models=(replace(trained, models=(bytes(32),)),)).parts()
    story = told(sums=(part_name(data),))
    story.alter(place, data=data)
    found = audited(story, chained().oldest)
    assert failures(found, "8.5") == [OTHER_SUMS]


def test_the_words_are_of_a_release() -> None:
    """What these tests rest on: that entry is the last needed release of the old board."""
    said = chained().oldest.body(WORD.position, BareWord)
    assert said.word == "release"
