"""The key's handovers on a board: what may be proposed, who speaks, what is barred meanwhile."""

from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.handover.rosters import Who
from tests.stage.toy import toy_epoch

REFRESH: Who = [1, 2, 3]
SUCCESSION: Who = ["G1", 3, 1, "G2"]


def attempt(who: Who = REFRESH, quorum: int = 2) -> PostedHandover:
    toy = toy_epoch(3, 2)
    return PostedHandover(copied(toy), toy.secrets, who, quorum)


def test_a_whole_refresh_on_a_board_makes_the_next_epoch() -> None:
    handed = attempt().run()
    assert handed.view.attempt.is_settled
    assert handed.table.board.epoch == handed.new_epoch
    assert handed.new_secrets().keys() == {1, 2, 3}
    again = PostedHandover(handed.table, handed.new_secrets(), REFRESH, 2).run()
    assert [k.epoch.number for k in handed.table.board.key.epochs] == [1, 2, 3]
    assert again.view.attempt.is_settled


def test_a_whole_succession_with_guests_on_a_board_ends_its_key() -> None:
    handed = attempt(SUCCESSION, 3).run()
    assert handed.view.attempt.is_settled
    assert handed.table.board.key.handovers.successor == handed.about.new
    assert handed.new_secrets().keys() == {1, 2, 3, 4}
