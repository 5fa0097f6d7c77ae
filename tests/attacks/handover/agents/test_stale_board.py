"""An aggregator keeps entries of a handover from a hospital, or a hospital's words from the board.

All is played by hospitals' agents with their vaults. The aggregator is trusted for going on, and
for nothing else: so it may hold up a handover, and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from protocol.board.post import Post
from protocol.encoding import decode
from protocol.handover import Attempt
from protocol.messages.bodies import Body
from protocol.messages.fields import MAX_POST_BYTES
from protocol.messages.handover import BareWord, HandedDealing, ShownPart
from protocol.wire.frames import FromMember, Submit
from tests.stage.handover.refreshes import Refresh, decrypts
from tests.stage.toy import toy_epoch

TOY = toy_epoch(3, 2)  # two of three freeze, void, release and decrypt
STALE, RELEASE = 1, BareWord("release")  # member 1 is the first to show its part


@dataclass
class Unfair(Refresh):
    """Its aggregator shows a hospital no more than the first entries, and withholds some words."""

    shown: dict[int, int] = field(default_factory=dict)
    stale: int = 0  # who sees nothing after its own part of the trial
    withholds: Callable[[int, Body], bool] = lambda member, body: False

    def _step(self, i: int) -> bool:
        real, most = self.service.entries_after, self.shown.get(i)

        def few(position: int) -> Any:
            more = real(position)
            kept = more.entries if most is None else more.entries[: max(0, most - position)]
            return replace(more, entries=kept)

        self.service.entries_after = few
        try:
            return super()._step(i)
        finally:
            self.service.entries_after = real

    def _is_silenced(self, i: int, frame: FromMember) -> bool:
        if not isinstance(frame, Submit):
            return False
        body = decode(frame.post.post, Post, "post", MAX_POST_BYTES).body
        if isinstance(body, ShownPart) and i == self.stale and i not in self.shown:
            self.shown[i] = self.service.board.head.position + 1
        return self.withholds(i, body)

    def attempt(self, number: int = 1) -> Attempt:
        return self.service.board.key.handovers.all[number - 1].view.attempt

    def fair(self) -> None:
        """Everybody sees everything again, and starts anew."""
        self.stale = 0
        self.shown.clear()
        self.withholds = lambda member, body: False
        self.silent.clear()


@pytest.fixture
def hall(tmp_path: Path) -> Unfair:
    made = Unfair(tmp_path / "aggregator", federation=TOY.federation)
    made.homes(tmp_path)
    for i in (1, 2, 3):
        made.take_part(i)
    return made


def all_have_new_shares(hall: Unfair, epoch: int = 2) -> None:
    assert hall.newest.number == epoch
    assert [hall.members[i].vault.epochs() for i in (1, 2, 3)] == [[epoch]] * 3
    for pair in ((1, 2), (1, 3), (2, 3)):
        assert decrypts(*(hall.held(i) for i in pair))


def test_who_gives_up_on_a_stale_board_is_too_late_and_loses_nothing(hall: Unfair) -> None:
    """It waits for the others' parts, which are there, and in the end it says void."""
    hall.stale = STALE
    hall.talk()
    assert hall.attempt().is_released
    assert hall.members[STALE].vault.epochs() == [1]
    assert hall.members[2].vault.epochs() == [1, 2], "not all have acknowledged"
    hall.seconds += TOY.federation.terms.step_seconds + 1
    hall.talk()
    void = hall.service.board.last_of(STALE)
    assert void is not None
    assert void.post.body == BareWord("void")
    assert hall.attempt().voids == frozenset()
    hall.fair()
    hall.talk()
    all_have_new_shares(hall)


def test_while_releases_are_withheld_both_shares_are_kept_and_none_is_used(hall: Unfair) -> None:
    hall.withholds = lambda member, body: body == RELEASE
    hall.talk()
    attempt, handovers = hall.attempt(), hall.service.board.key.handovers
    assert (attempt.outcome, attempt.confirmed) == ("held", frozenset())
    assert hall.newest == TOY.epoch
    for i in (1, 2, 3):
        vault = hall.members[i].vault
        assert vault.epochs() == [1]
        assert vault.has_seed("handover/1"), "the new share lies there"
    assert handovers.help_bar(1)
    assert handovers.opening_bar
    assert decrypts(hall.held(1), hall.held(2))
    hall.fair()
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()
    all_have_new_shares(hall)


def test_of_words_that_are_dropped_nobody_is_named_and_the_next_attempt_succeeds(
    hall: Unfair,
) -> None:
    """An honest dealer looks silent. It deals in the next attempt only if too few others could."""
    hall.withholds = lambda member, body: member == 2 and isinstance(body, HandedDealing)
    hall.talk()
    hall.seconds += TOY.federation.terms.step_seconds + 1
    hall.talk_on()
    assert hall.attempt().is_thawed
    assert hall.service.board.key.handovers.all[0].view.culprits == frozenset()
    assert hall.newest == TOY.epoch
    hall.fair()
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk_on()
    second = hall.service.board.key.handovers.all[1]
    assert second.about.mistrusted == {2}
    assert second.view.attempt.dealers == (1, 3)
    all_have_new_shares(hall)
