"""A forking aggregator shows one proposal to some old members, and another one to the others.

Liars among the old members speak on both boards. Two federations with the same key would follow:
what each opens is nothing to the other, so that sums of nearly the same hospitals are opened.
"""

from __future__ import annotations

import copy
from collections.abc import Collection

import pytest

from protocol.errors import Fork
from protocol.handover import AnyFault, Attempt, HandoverView
from protocol.messages.bodies import Body
from protocol.messages.handover import BareWord, Consent, Content, Said
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.handover.rosters import Who
from tests.stage.toy import toy_epoch

TOY = toy_epoch(4, 2)  # one liar of four is assumed, and three old members are needed
ONE: Who = ["G1", "G2", "G3"]
OTHER: Who = ["G4", "G5", "G6"]


def boards(speaking: tuple[Collection[int], Collection[int]]) -> list[PostedHandover]:
    """The two boards, on each of which these old members and all guests speak."""
    table = copied(TOY)
    tables, found = (table, copy.deepcopy(table)), []
    for at, who, members in zip(tables, (ONE, OTHER), speaking, strict=True):
        handed = PostedHandover(at, TOY.secrets, who, 2, proposer=min(members))
        handed.lied = {1, 2, 3, 4}.difference(members)  # they read the other board
        found.append(handed.run())
    return found


def released(found: Collection[PostedHandover]) -> list[bool]:
    return [handed.view.attempt.is_released for handed in found]


def test_with_one_liar_of_four_one_board_alone_is_released() -> None:
    """Member 1 lies. The three honest ones read one board each."""
    assert released(boards(({1, 2, 3}, {1, 4}))) == [True, False]
    assert released(boards(({1, 2}, {1, 3, 4}))) == [False, True]


def test_with_two_liars_of_four_both_are() -> None:
    """More than are assumed. Then the key has two successors, and is as secret as before."""
    both = boards(({1, 2, 3}, {1, 2, 4}))
    assert released(both) == [True, True]
    assert both[0].new_epoch.n == both[1].new_epoch.n


def test_with_a_bare_majority_one_liar_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of four, as if a quorum were enough."""
    real = Attempt.__init__

    def few(attempt: Attempt, rosters: object, *rest: object, **named: object) -> None:
        real(attempt, rosters, *rest, **named)  # type: ignore[arg-type]
        object.__setattr__(attempt.rosters, "lock_threshold", 2)
        object.__setattr__(attempt.rosters, "least_consents", 2)

    monkeypatch.setattr(Attempt, "__init__", few)
    assert released(boards(({1, 2}, {1, 3}))) == [True, True]


# ── words of one board on the other ──


def is_word(said: Body, word: str) -> bool:
    is_bare = isinstance(said, BareWord) and said.word == word
    return is_bare or (word == "consent" and isinstance(said, Consent))


def carry(one: PostedHandover, other: PostedHandover, word: str) -> None:
    """Put what members 2 and 3 have said on one board onto the other, byte for byte."""
    for entry, posted in zip(one.table.entries, one.table.board.entries, strict=True):
        if posted.post.sender in (2, 3) and is_word(posted.post.body, word):
            body = other.table.put(entry.post).post.body
            for member in other.members.values():
                if isinstance(body, Content):
                    member.receive(posted.post.sender, body)


def with_carried_words() -> list[PostedHandover]:
    """Members 2 and 3 read one board. The liar, 1, and member 4 are told the other proposal."""
    one, other = boards(({1, 2, 3}, {1, 4}))
    for word in ("consent", "freeze", "release"):
        carry(one, other, word)
        other.run()
    return [one, other]


def takes_any_head(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("protocol.board.board.Board._check_order", lambda *about: None)


def takes_any_subject(patch: pytest.MonkeyPatch) -> None:
    real = HandoverView._fault

    def fault(view: HandoverView, sender: int, said: Said) -> AnyFault | None:
        return None if isinstance(said, Consent) else real(view, sender, said)

    patch.setattr(HandoverView, "_fault", fault)


def test_a_word_of_one_board_does_not_stand_on_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare word names its session alone. The post around it names the entries it has seen."""
    takes_any_subject(monkeypatch)
    with pytest.raises(Fork):
        with_carried_words()


def test_nor_would_it_count_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else counts before enough have consented, and a consent names what it is to."""
    takes_any_head(monkeypatch)
    assert released(with_carried_words()) == [True, False]


def test_without_either_one_liar_makes_two_successors(monkeypatch: pytest.MonkeyPatch) -> None:
    takes_any_head(monkeypatch)
    takes_any_subject(monkeypatch)
    assert released(with_carried_words()) == [True, True]
