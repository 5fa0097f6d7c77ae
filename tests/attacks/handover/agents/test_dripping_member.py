"""A member says each of its words at the last moment, and one never: for how long is all frozen?

No set is locked meanwhile, so that no sum is opened. Each word that counts gives the others more
patience.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from participant.handover.task import HandoverTask
from protocol.handover import Attempt
from protocol.messages.handover import Content, ShownPart
from tests.stage.handover.refreshes import Refresh
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import member_at

TOY = toy_epoch(3, 3)  # so that all deal
LIAR, PATIENCE = 2, TOY.federation.terms.step_seconds
STEPS = 4  # its freeze, which comes last, its commitment, its dealing, and a part that never comes


class Drip(Refresh):
    """The liar's agent is asked only when the others have lost nearly all patience."""

    def homes(self, folder: Path) -> Drip:
        super().homes(folder / "other")
        self.members = {i: member_at(folder / f"h{i}", i, TOY) for i in (1, 2, 3)}
        return self

    def frozen_for(self) -> float:
        """Seconds from the first freeze to the thaw."""
        handovers, began = self.service.board.key.handovers, 0.0
        self.silent.add(LIAR)
        for _ in range(40):
            self.talk_on()
            attempt = handovers.all[0].view.attempt
            if attempt.frozen and not began:
                began = self.seconds
            if attempt.is_thawed:
                return self.seconds - began
            self.seconds += PATIENCE - 1
            if not self._is_last(attempt):
                self._one_word()
            else:
                self.seconds += 1
        return float("inf")

    def _is_last(self, attempt: Attempt) -> bool:
        return attempt.is_dealt

    def _one_word(self) -> None:
        board = self.service.board
        before = board.count("handover/1", LIAR)
        for _ in range(4):
            if board.count("handover/1", LIAR) == before:
                self._step(LIAR)


@pytest.fixture
def hall(tmp_path: Path) -> Drip:
    made = Drip(tmp_path / "aggregator", federation=TOY.federation).homes(tmp_path)
    for i in (1, 2, 3):
        made.take_part(i)
    return made


def test_it_is_as_long_as_it_has_words(hall: Drip) -> None:
    assert (STEPS - 1) * PATIENCE < hall.frozen_for() <= STEPS * PATIENCE
    attempt = hall.service.board.key.handovers.all[0].view.attempt
    assert attempt.voids >= {1, 3}
    assert hall.newest == TOY.epoch
    assert not any(isinstance(word, ShownPart) for word in said_by_the_liar(hall))


def said_by_the_liar(hall: Drip) -> list[Content]:
    posts = [p.post for p in hall.service.board.session("handover/1")]
    return [p.body for p in posts if p.sender == LIAR and isinstance(p.body, Content)]


def test_if_nobody_lost_patience_it_would_be_for_ever(
    hall: Drip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HandoverTask, "_waits_on", lambda task, attempt: True)
    assert hall.frozen_for() == float("inf")
