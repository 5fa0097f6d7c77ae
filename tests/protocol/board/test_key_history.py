"""Which key counts from which entry on."""

from protocol.board.key_history import epoch_of
from protocol.messages.ceremony import Certificate
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.handover.rosters import Who
from tests.stage.toy import Table, toy_epoch

TOY = toy_epoch(3, 2)
REFRESH: Who = [1, 2, 3]


def test_there_is_no_key_before_all_have_certified_one() -> None:
    table = Table(TOY.federation)
    assert table.board.epoch is None
    for entry in TOY.table.entries:
        posted = table.board.append(entry)
        is_last = posted.position == len(TOY.table.entries)
        assert (table.board.epoch is not None) is is_last
    assert isinstance(posted.post.body, Certificate)
    (found,) = table.board.key.epochs
    assert (found.position, found.epoch) == (posted.position, TOY.epoch)


def test_each_refresh_adds_an_epoch_at_the_entry_that_released_it() -> None:
    table, secrets = copied(TOY), TOY.secrets
    for number in (2, 3):
        before = table.board.epoch
        handed = PostedHandover(table, secrets, REFRESH, 2)
        handed.run(lambda view: view.attempt.outcome == "held")
        assert table.board.epoch == before
        handed.run(lambda view: view.attempt.is_released)
        last = table.board.key.epochs[-1]
        assert (last.position, last.epoch.number) == (table.board.head.position, number)
        assert handed.handover.released_at == last.position
        assert last.epoch == table.board.epoch == handed.new_epoch
        secrets = handed.run().new_secrets()
        assert len(table.board.key.epochs) == number  # a later word adds none
    epochs = [one.epoch for one in table.board.key.epochs]
    assert table.board.key.by_digest == {epoch.digest: epoch for epoch in epochs}
    assert len({epoch.digest for epoch in epochs}) == 3


def test_an_attempt_that_is_thawed_adds_no_epoch() -> None:
    table = copied(TOY)
    handed = PostedHandover(
        table,
        TOY.secrets,
        REFRESH,
        2,
        tamper=lambda handed, sender, said: None if sender == 3 else said,
    )
    handed.run()
    assert handed.handover.thawed_at is not None
    assert [one.epoch for one in table.board.key.epochs] == [TOY.epoch]


def test_a_key_that_goes_to_another_federation_is_no_epoch_of_this_one() -> None:
    """Who reads this board still finds under which key its rounds were."""
    table = copied(TOY)
    handed = PostedHandover(table, TOY.secrets, [1, 2, "G1"], 2).run()
    assert handed.view.attempt.is_settled
    assert table.board.epoch == TOY.epoch
    assert handed.new_epoch.federation == handed.about.new.federation


def test_what_a_board_knows_of_its_key_follows_from_its_entries() -> None:
    table = copied(TOY)
    PostedHandover(table, TOY.secrets, REFRESH, 2).run()
    again = Table(TOY.federation)
    for entry in table.entries:
        again.board.append(entry)
    assert again.board.key.epochs == table.board.key.epochs
    assert again.board.key.handovers.all == table.board.key.handovers.all
    assert epoch_of(table.board.entries, TOY.federation.terms) == table.board.epoch
