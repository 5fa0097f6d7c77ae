"""One member that says whatever it likes in a handover makes no record fail."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.attachment import attach
from protocol.messages.bodies import Body
from protocol.messages.handover import (
    Arrival,
    BareWord,
    Consent,
    DealingCommitment,
    HandedDealing,
    HandoverProposal,
    PointAccusation,
    ShownPart,
)
from protocol.messages.rounds import Partial, SetLock
from protocol.record.audit.checks import audit
from tests.stage.record.good import ROUND
from tests.stage.record.handed import DEAD, REFRESH, SUCCESSION, handed_over
from tests.stage.record.story import Said, Story, write

BAD, GUEST = 4, 6
NONCE, JUNK = b"n" * 32, b"j" * 32
KEY = b"k" * 1216
WORDS: tuple[Body, ...] = (
    *(BareWord(w) for w in ("freeze", "freeze only", "void", "release", "thaw", "acknowledge")),
    Consent(JUNK),
    Arrival(JUNK, (KEY,) * 4, KEY),
    DealingCommitment(JUNK),
    HandedDealing(JUNK, b"\2", (b"\3", b"\0"), b"\1", True, (b"seal",) * 4),
    ShownPart(b"\2", handed_over().body(handed_over().find(REFRESH, ShownPart), ShownPart).proof),
    PointAccusation(2, JUNK),
    HandoverProposal(JUNK, b"", ()),
    HandoverProposal(JUNK, b"terms", (b"s" * 64,)),
)
PART = Partial(JUNK, JUNK, (attach(b"junk"), *(attach(b"sealed", to) for to in (1, 2, 3, 4))))
HELP: tuple[Body, ...] = PART, SetLock(JUNK)
SESSIONS = (DEAD, REFRESH, SUCCESSION)
FIRST = handed_over().find(DEAD, HandoverProposal)
LAST = len(handed_over().said)


def ended(place: int) -> Story:
    """The story up to an entry."""
    story = handed_over().copy()
    del story.said[place:]
    return story


def put(story: Story, session: str, body: Body) -> None:
    """Behind all that was said."""
    story.said.append(Said(session, BAD, body, story.said[-1].time_ms))


def failures(story: Story) -> list[str]:
    found = audit(write(story).files, NONCE, story.federation.terms.federation[:16])
    return [f"{r.number} {remark}" for r in found.results for remark in r.failures]


@pytest.mark.parametrize("place", range(FIRST, LAST, 7))
def test_a_record_that_ends_anywhere_in_a_handover_holds(place: int) -> None:
    assert not failures(ended(place))


@pytest.mark.parametrize("body", WORDS, ids=lambda body: str(body)[:40])
@pytest.mark.parametrize("session", SESSIONS)
def test_a_word_too_many_behind_a_handover_is_no_failure(session: str, body: Body) -> None:
    story = handed_over().until(session)
    put(story, session, body)
    if session == SUCCESSION and not isinstance(body, HandoverProposal):
        guest = story.at(story.find(session, ShownPart, GUEST)).guest
        story.said.append(Said(session, GUEST, body, story.said[-1].time_ms, guest=guest))
    assert not failures(story)


@pytest.mark.slow
@given(st.integers(FIRST, LAST), st.data())
@settings(max_examples=100, deadline=None)
def test_no_words_of_one_member_are_a_failure_wherever_the_others_stop(
    place: int, data: st.DataObject
) -> None:
    story = ended(place)
    said = st.tuples(st.sampled_from(SESSIONS), st.sampled_from(WORDS))
    helped = st.tuples(st.sampled_from(ROUND[1:3]), st.sampled_from(HELP))
    for session, body in data.draw(st.lists(said | helped, min_size=1, max_size=8)):
        put(story, session, body)
    assert not failures(story)
