"""The names of sessions: which there are, and what they say."""

import pytest

from protocol.board.post import Post
from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.messages.plan import Ending
from protocol.messages.session import read_session, round_session, study_session


def refused(session: str) -> bool:
    """Whether a post of this session does not decode."""
    try:
        decode(
            encode(Post(bytes(32), session, 1, 0, 0, bytes(32), Ending(bytes(32)))), Post, "", 999
        )
    except Malformed:
        return True
    return False


@pytest.mark.parametrize(
    "session",
    [
        "",
        "ceremony",
        "ceremony/",
        "ceremony/01",
        "ceremony/-1",
        "ceremony/1\n",
        "round/1",
        "study/",
        "study/1",
        "study/1/2",
        "study/A",
        "study/a b",
        "study/" + "a" * 65,
        "study/a\n",
        "study/a/",
        "study/a/x",
        "study/a/01",
        "study/a/1/2",
        "study/a/1000000000",
        "check/01",
        "check/x",
        "lottery/1",
        " study/a/1",
        "study/a/\u0661",  # a digit, but not one of ours
    ],
)
def test_a_session_of_another_form_is_refused(session):
    assert refused(session)


@pytest.mark.parametrize(
    "session",
    ["ceremony/1", "check/3", "study/a", "study/age-65.plus_x/0", f"study/{'a' * 64}/999999999"],
)
def test_a_session_of_the_right_form_is_accepted(session):
    assert not refused(session)


@pytest.mark.parametrize(
    ("session", "read", "name"),
    [
        ("ceremony/2", ("ceremony", 2, ""), "2"),
        ("check/3", ("check", 3, ""), "3"),
        ("study/cardio", ("study", 0, "cardio"), "cardio"),
        ("study/cardio/0", ("round", 0, "cardio"), "cardio/0"),
        ("study/cardio/17", ("round", 17, "cardio"), "cardio/17"),
    ],
)
def test_a_sessions_name_says_what_it_is_about(session, read, name):
    found = read_session(session)
    assert (found, found.name) == (read, name)
    assert found.is_round == (session == "study/cardio/17")
    if found.kind == "round":
        assert round_session(found.study, found.number) == session
    elif found.kind == "study":
        assert study_session(found.study) == session
