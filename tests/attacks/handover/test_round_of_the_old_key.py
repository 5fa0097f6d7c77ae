"""An aggregator opens a round after the release, and names the old epoch.

Hospitals have their old shares until all new members have acknowledged, which one alone can put off
for ever. Whoever has stolen old shares, with their sealing keys, would read the sums of such rounds
with the aggregator. A refresh is to end that.
"""

from __future__ import annotations

import pytest

from protocol.board.key_history import KeyHistory
from protocol.messages.attachment import attach
from protocol.messages.rounds import Closing, Opening
from tests.protocol.board.test_handover_bars import STUDY, TOY, Place

OLD = TOY.epoch.digest


def helps(place: Place, epoch: bytes) -> list[bool]:
    """Whether contributions, locks and parts count in a round that is opened under this epoch."""
    opening = Opening(STUDY.digest, epoch, bytes(32), 5)
    place.opened.append(place.table.put(place.table.sign(STUDY.round(2), 0, opening)))
    contributed = not place.contribute(2, 2)
    place.why(2, 0, Closing((), attach(b"sum")))
    return [contributed, not place.lock(2, 2), not place.part(2, 2)]


def refreshed() -> Place:
    """Released, and not acknowledged by anybody."""
    place = Place()
    place.hand_over(lambda attempt: attempt.is_released)
    return place


def test_nobody_helps_with_it() -> None:
    assert helps(refreshed(), OLD) == [False, False, False]


def test_rounds_of_the_new_key_go_on() -> None:
    place = refreshed()
    assert place.table.board.epoch is not None
    assert helps(place, place.table.board.epoch.digest) == [True, True, True]


def test_by_the_place_of_its_opening_alone_all_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyHistory, "stale_bar", lambda *about: "")
    assert helps(refreshed(), OLD) == [True, True, True]
