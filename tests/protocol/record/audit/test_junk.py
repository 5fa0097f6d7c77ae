"""What one member says that changes nothing makes nobody's record fail: it is a finding."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.attachment import attach
from protocol.messages.bodies import Body, belongs
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Step
from protocol.messages.check import CheckPart, CheckRequest
from protocol.messages.plan import Approval, Ending, Plan, Statistic, Withdrawal
from protocol.messages.rounds import (
    Closing,
    Complaint,
    Contribution,
    ModelEntries,
    ModelEntry,
    Partial,
    Refusal,
    SetLock,
    Statement,
)
from protocol.record.audit.checks import audit
from protocol.record.audit.results import Status
from tests.stage.record.good import good
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Said, Story, write

BAD = 4
NONCE = b"n" * 32
JUNK = b"j" * 32

ROUNDS = (
    "study/cardio/1",
    "study/cardio/2",
    "study/cardio/3",
    "study/cardio/0",
    "study/cardio/9",
    "study/cardio",
    "study/ages/1",
    "study/few",
    "study/few/1",
    "study/x",
    "study/x/1",
)
IN_ROUNDS: tuple[Body, ...] = (
    Contribution(JUNK, attach(b"junk")),
    SetLock(JUNK),
    SetLock(JUNK, b"not a checksum"[:16]),
    Partial(JUNK, JUNK, (attach(b"junk"), *(attach(b"sealed", to) for to in (1, 2, 3, 4)))),
    Complaint(JUNK, 1, JUNK),
    Complaint(JUNK, 2, b""),
    Refusal("recomputed-sum", 1, "it is another"),
    Statement(JUNK, 7, 1.0, 9, b"junk"),
    ModelEntries(JUNK, 1 << 40, (ModelEntry("junk", (1 << 47, 0), "float64"),)),
)
OF_STUDIES: tuple[Body, ...] = (
    Plan("Another purpose.", (1, 2, 3), 3, 10, Statistic(1, 0, "patients")),
    Approval(JUNK, True, True),
    Withdrawal(JUNK),
    Ending(JUNK),
)
IN_CEREMONIES: tuple[Body, ...] = (
    Join(b"k" * 1216, JUNK),
    Step("deal", 0, 0, (attach(b"junk"),)),
    Certificate(JUNK, b"no epoch"),
    Abort(1, "deal", "because"),
    Disclosure(JUNK),
)


def in_session(session: str) -> tuple[Body, ...]:
    kind = session.partition("/")[0]
    if kind == "ceremony":
        return IN_CEREMONIES
    if kind == "check":
        return (CheckRequest(JUNK, JUNK), CheckPart(JUNK, attach(b"junk")))
    bodies = (*IN_ROUNDS, *OF_STUDIES)
    # Nobody reads parts of a study that is not there: the board itself refuses them.
    is_unknown = session.startswith("study/x/")
    return tuple(
        body
        for body in bodies
        if belongs(session, BAD, body) and not (is_unknown and isinstance(body, Partial))
    )


SESSIONS = (*ROUNDS, "ceremony/1", "ceremony/2", "ceremony/3", "check/1", "check/2", "check/7")
POSTS = [(session, body) for session in SESSIONS for body in in_session(session)]


def ended(session: str) -> Story:
    """What was said up to the end of a session, or everything if it never was.

    What came later holds proofs over the board's hashes, which another post would change.
    """
    story = good().story
    is_there = any(one.session == session for one in story.said)
    story = story.until(session) if is_there else story.copy()
    return story


def put(story: Story, place: int, session: str, body: Body) -> None:
    story.insert(place, Said(session, BAD, body, story.at(place - 1).time_ms))


def failures(story: Story) -> list[str]:
    expected = story.federation.terms.federation[:16]
    found = audit(MemoryFiles(write(story).files), NONCE, expected)
    return [
        f"{r.number} {remark}"
        for r in found.results
        for remark in (r.failures if r.status is Status.FAILED else ())
    ]


@pytest.mark.parametrize("body", [SetLock(JUNK), Contribution(JUNK, attach(b"junk"))])
def test_what_is_beyond_a_members_budget_is_a_finding_with_its_name(body: Body) -> None:
    """An honest aggregator would have declined it; no rule looks at it."""
    story = ended("study/cardio/3")
    for _ in range(2 if isinstance(body, SetLock) else 1):  # beside its own
        put(story, len(story.said) + 1, "study/cardio/3", body)
    assert not failures(story)
    found = audit(MemoryFiles(write(story).files), NONCE)
    (posts,) = [r for r in found.results if r.number == "2.2"]
    assert [(r.entry, r.party) for r in posts.findings] == [(len(story.said), "H4")]


@pytest.mark.parametrize(
    "body", [Step("deal", 0, 0, ()), Join(b"k" * 1216, JUNK)], ids=["step", "join"]
)
def test_junk_before_the_last_certificate_is_a_finding_with_its_authors_name(body: Body) -> None:
    story = ended("ceremony/2")
    last = max(story.find("ceremony/2", Certificate, member) for member in (1, 2, 3, 4))
    sender = story.at(last).sender
    put(story, last, "ceremony/2", body)
    story.change(last, sender=sender)  # of whom the last certificate is
    assert not failures(story)
    found = audit(MemoryFiles(write(story).files), NONCE)
    (agreed,) = [r for r in found.results if r.number == "3.1"]
    assert [(r.entry, r.party) for r in agreed.findings] == [(last, f"H{sender}")]


def test_an_abort_behind_the_last_certificate_is_a_finding_whatever_another_said() -> None:
    story = ended("ceremony/2")
    put(story, len(story.said) + 1, "ceremony/2", Step("deal", 0, 0, ()))
    story.change(len(story.said), sender=3)
    put(story, len(story.said) + 1, "ceremony/2", Abort(0, "certificate", "no"))
    assert not failures(story)
    found = audit(MemoryFiles(write(story).files), NONCE)
    (agreed,) = [r for r in found.results if r.number == "3.1"]
    assert [r.party for r in agreed.findings] == ["H3", "H4"]
    (aborted,) = [r for r in found.results if r.number == "3.7"]
    assert len(story.said) not in [r.entry for r in aborted.findings]  # it asks for no verdict


@pytest.mark.slow
@pytest.mark.parametrize(("session", "body"), POSTS, ids=lambda one: str(one)[:40])
def test_one_post_behind_a_session_is_no_failure(session: str, body: Body) -> None:
    story = ended(session)
    put(story, len(story.said) + 1, session, body)
    assert not failures(story)


@pytest.mark.slow
@given(st.sampled_from(SESSIONS), st.data())
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_them_is_a_failure(session: str, data: st.DataObject) -> None:
    """Also in the middle of a round that goes on without the member, twice, and of many kinds."""
    story = ended(session)
    closed = [
        k
        for k, one in enumerate(story.said, start=1)
        if one.session == session and isinstance(one.body, Closing)
    ]
    first = closed[0] if closed else len(story.said)
    for body in data.draw(st.lists(st.sampled_from(in_session(session)), min_size=1, max_size=8)):
        put(story, data.draw(st.integers(first, len(story.said))) + 1, session, body)
    assert not failures(story)
