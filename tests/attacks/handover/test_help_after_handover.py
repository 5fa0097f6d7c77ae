"""Old members that kept their shares help to open a sum of before, once the key is handed over.

Its hospitals were told that nobody helps with it any more. They may have given their numbers to
another sum since, over nearly the same hospitals.
"""

from __future__ import annotations

import pytest

from protocol.board.handover import Handovers
from protocol.messages.rounds import Partial
from tests.protocol.board.test_handover_bars import REFRESH, STUDY, SUCCESSION, TOY, Place
from tests.protocol.handover.table import decrypts
from tests.stage.handover.rosters import Who

OLD = (4, 5)  # have locked the round's set, and leave in a succession


def parts_that_count(who: Who) -> set[int]:
    place = Place()
    place.hand_over(lambda attempt: attempt.is_released, who)
    for member in OLD:
        place.part(member)
    board = place.table.board
    session = board.session(STUDY.round(1))
    return {p.post.sender for p in session if isinstance(p.post.body, Partial)}


@pytest.mark.parametrize("who", [REFRESH, SUCCESSION])
def test_their_parts_do_not_count(who: Who) -> None:
    """So nobody else opens anything with them."""
    assert parts_that_count(who) == set()


@pytest.mark.parametrize("who", [REFRESH, SUCCESSION])
def test_if_they_did_the_sum_would_be_opened_by_all_that_see_them(
    who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handovers, "help_bar", lambda handovers, opened_at: "")
    assert parts_that_count(who) == set(OLD)


def test_a_quorum_that_kept_its_shares_needs_nobody_and_no_board() -> None:
    """What a handover cannot do: see "Revocation" in docs/security/handover.md."""
    place = Place()
    handed = place.hand_over(lambda attempt: attempt.is_settled, SUCCESSION)
    kept = [TOY.secrets[i].secret_share() for i in (*OLD, 1)]
    assert handed.new_epoch.n == TOY.epoch.n
    assert decrypts(TOY.epoch.joint_key(), kept)
