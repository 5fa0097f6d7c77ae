"""Records of handovers in which somebody lies, or goes on where a handover bars it."""

from collections.abc import Callable

from protocol.messages.handover import (
    Arrival,
    BareWord,
    Consent,
    HandedDealing,
    PointAccusation,
    ShownPart,
)
from protocol.messages.rounds import Opening, Partial, SetLock
from tests.stage.record.good import ROUND, Good
from tests.stage.record.handed import DEAD, REFRESH, SUCCESSION, handed_over
from tests.stage.record.story import Said, Story
from tests.stage.record.tampering import AGGREGATOR, TAMPERINGS, Broken, tampering, told

Change = Callable[[Story], tuple[int, str]]


def lied(name: str, check: str, session: str, change: Change, *, is_failure: bool = False) -> None:
    """Enter a story that ends with a handover in which something was said otherwise.

    change: the story; gives the entry that is remarked on, and whose it is.
    """

    def make(made: Good) -> Broken:
        story = handed_over().until(session)
        place, party = change(story)
        return told(story, check, place, party, is_failure)

    TAMPERINGS[name] = make


def word(story: Story, session: str, said: str, sender: int) -> int:
    """The position of a member's bare word."""
    return next(
        position
        for position, one in enumerate(story.said, start=1)
        if one.sender == sender and _is_word(one, session, said)
    )


def other(session: str, kind: type, sender: int, **fields: object) -> Change:
    """A member's word has other fields, and ends the record: honest members stop there."""

    def change(story: Story) -> tuple[int, str]:
        place = story.find(session, kind, sender)
        story.alter(place, **fields)
        del story.said[place:]
        guest = story.at(place).guest
        return place, f"{guest} (guest)" if guest else story.federation.terms.name_of(sender)

    return change


lied("consent_to_another_handover", "3.10", REFRESH, other(REFRESH, Consent, 2, subject=bytes(32)))
lied("arrival_of_a_guest_without_keys", "3.10", SUCCESSION, other(SUCCESSION, Arrival, 6, once=()))
lied("dealing_not_committed_to", "3.11", REFRESH, other(REFRESH, HandedDealing, 3, mask=b"\2"))
lied("new_part_that_is_not_proven", "3.12", REFRESH, other(REFRESH, ShownPart, 2, part=b"\2"))


def _accuse(story: Story) -> tuple[int, str]:
    """A guest shows a key that it never arrived with."""
    place, number = story.find(SUCCESSION, ShownPart), 5
    said = story.at(story.find(SUCCESSION, Arrival, number))
    accusation, time_ms = PointAccusation(1, bytes(32)), story.at(place).time_ms
    story.insert(place, Said(SUCCESSION, number, accusation, time_ms, guest=said.guest))
    del story.said[place:]
    return place, f"{said.guest} (guest)"


lied("accusation_with_a_key_made_up", "3.11", SUCCESSION, _accuse)


def _thaw(*members: int) -> Change:
    """Members confirm the end that the handover did not have."""

    def change(story: Story) -> tuple[int, str]:
        places = [word(story, REFRESH, "release", member) for member in members]
        for place in places:
            story.alter(place, word="thaw")
        return places[-1], f"H{members[-1]}"

    return change


lied("thaw_of_what_was_held", "3.13", REFRESH, _thaw(2))
lied("thaws_of_what_was_held", "3.13", REFRESH, _thaw(2, 3), is_failure=True)


def _moved(kind: type, session: str, behind: str, *members: int) -> Change:
    """Members' posts of the first round were said after the last of a bare word."""

    def change(story: Story) -> tuple[int, str]:
        posts = list[Said]()
        for member in members:
            posts.append(story.said.pop(story.find(ROUND[1], kind, member) - 1))
        last = max(k for k, one in enumerate(story.said) if _is_word(one, session, behind))
        time_ms = story.said[last].time_ms
        for post in posts:
            last += 1
            moved = Said(post.session, post.sender, post.body, time_ms, post.names)
            story.said.insert(last, moved)
        del story.said[last + 1 :]
        return last + 1, f"H{members[-1]}"

    return change


def _is_word(one: Said, session: str, word: str) -> bool:
    body = one.body
    return one.session == session and isinstance(body, BareWord) and body.word == word


lied("part_after_the_key_was_given_up", "3.14", REFRESH, _moved(Partial, REFRESH, "release", 2))
lied("parts_after_the_key_was_given_up", "3.14", REFRESH,
     _moved(Partial, REFRESH, "release", 2, 3), is_failure=True)  # fmt: skip
lied("lock_after_its_freeze", "3.14", DEAD, _moved(SetLock, DEAD, "freeze", 2))
lied("locks_after_their_freezes", "3.14", DEAD,
     _moved(SetLock, DEAD, "freeze", 2, 3), is_failure=True)  # fmt: skip


@tampering
def round_opened_during_a_handover(made: Good) -> Broken:
    story = handed_over().until(REFRESH)
    opening = handed_over().at(handed_over().find(ROUND[2], Opening))
    place = word(story, REFRESH, "freeze", 2)
    story.insert(place, Said(ROUND[2], 0, opening.body, story.at(place).time_ms))
    return told(story, "3.14", place, AGGREGATOR, is_failure=False)
