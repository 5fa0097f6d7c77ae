"""A guest speaks outside its handover, or in the next one, where its number is another guest's."""

from __future__ import annotations

import pytest

from protocol.board.board import Board
from protocol.board.post import Posted
from protocol.errors import BadEntry
from protocol.handover import Succession
from protocol.handover.handed import unseal_point
from protocol.handover.shelf import ArrivalSecret
from protocol.messages.bodies import Body
from protocol.messages.check import CheckRequest
from protocol.messages.handover import BareWord
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.handover.rosters import guest_key
from tests.stage.toy import next_post, seed_of, toy_epoch

TOY = toy_epoch(3, 2)
GUEST = 4  # the number of G1 in the first attempt, and of G2 in the second
CHECK = CheckRequest(TOY.epoch.digest, bytes(32))


def by_the_first_guest(handed: PostedHandover, session: str, body: Body) -> Posted:
    said = next_post(guest_key("G1"), handed.table.board, session, GUEST, body)
    return handed.table.put(said)


def two_attempts() -> tuple[PostedHandover, PostedHandover]:
    """The first, with G1, was given up before G1 said anything; the second has G2 in its place."""
    first = PostedHandover(copied(TOY), TOY.secrets, [1, 2, 3, "G1"], 3)
    for word in ("void", "thaw"):
        for member in (1, 2):
            first.say(member, BareWord(word))
    return first, PostedHandover(first.table, TOY.secrets, [1, 2, 3, "G2"], 3)


def the_first_guest_is_a_guest_everywhere(patch: pytest.MonkeyPatch) -> None:
    """As if the board asked for a number, and not for the session."""
    real = Board.key_of

    def key_of(board: Board, session: str, sender: int) -> bytes:
        return real(board, "handover/1" if sender == GUEST else session, sender)

    patch.setattr(Board, "key_of", key_of)


def arrives_in_the_second(second: PostedHandover) -> ArrivalSecret:
    """G1 posts keys of its own as the newcomer's, before G2 does."""
    keys = ArrivalSecret(second.about.subject, seed_of("the first guest"))
    by_the_first_guest(second, "handover/2", keys.arrival(second.about))
    return keys


def test_it_is_nobody_outside_its_handover() -> None:
    first, second = two_attempts()
    with pytest.raises(BadEntry, match="not a member"):
        by_the_first_guest(first, "check/1", CHECK)
    with pytest.raises(BadEntry, match="signature does not fit"):
        arrives_in_the_second(second)
    assert second.run().view.attempt.is_settled


def test_else_it_would_ask_for_checks_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    the_first_guest_is_a_guest_everywhere(monkeypatch)
    first, _ = two_attempts()
    assert by_the_first_guest(first, "check/1", CHECK).post.body == CHECK


def test_else_the_points_of_the_next_newcomer_would_be_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    the_first_guest_is_a_guest_everywhere(monkeypatch)
    _, second = two_attempts()
    keys = arrives_in_the_second(second)
    second.members = {i: second.member(i) for i in second.everybody}
    second.lied.add(GUEST)
    second.run(lambda view: view.attempt.is_dealt)
    view, about = second.view, second.about
    assert isinstance(about, Succession)
    assert view.plan is not None
    for dealer in view.plan.dealers:
        way, seed = (dealer, GUEST), keys.seed_for(dealer)
        assert unseal_point(about, view.plan, way, view.dealings[dealer], seed) is not None
