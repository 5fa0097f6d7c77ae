"""A key that was taken over counts on the new board when enough members have said the same."""

from functools import lru_cache

import pytest
from msgspec.structs import replace

from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.board.inheritance import Inheritance
from protocol.encoding import encode
from protocol.key.epoch import read_epoch, read_secret
from protocol.messages.bodies import Join
from tests.stage.handover.inherited import InheritedKey
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.toy import toy_epoch

OTHER = bytes(32)


@lru_cache(maxsize=1)
def handed() -> PostedHandover:
    """From 2 of 3 to 3 of 4, two of them guests: f is 1, and three say the same."""
    toy = toy_epoch(3, 2)
    return PostedHandover(copied(toy), toy.secrets, ["G1", 3, 1, "G2"], 3).run()


@pytest.fixture
def new() -> InheritedKey:
    return InheritedKey(handed())


def test_an_inherited_epoch_and_its_shares_read_under_the_new_terms(new: InheritedKey) -> None:
    epoch, terms = handed().new_epoch, new.federation.terms
    assert read_epoch(encode(epoch), terms) == epoch
    for member, secret in handed().new_secrets().items():
        assert read_secret(encode(secret), terms, member).epoch == epoch


def test_the_key_counts_from_the_word_of_lock_threshold_members_on(new: InheritedKey) -> None:
    assert new.federation.terms.lock_threshold == 3
    new.say_all([2, 4])
    assert new.table.board.epoch is None
    posted = new.say(1)
    assert new.table.board.key.epochs == [(posted.position, handed().new_epoch)]
    assert new.table.board.key.inheritance.missing == [3]


def test_the_last_word_changes_nothing(new: InheritedKey) -> None:
    new.say_all()
    assert len(new.table.board.key.epochs) == 1
    assert new.table.board.key.by_digest.keys() == {handed().new_epoch.digest}


@pytest.mark.parametrize(
    "lie",
    [
        {"position": 1},
        {"hash": OTHER},
        {"epoch": encode(replace(handed().new_epoch, number=7))},
        {"epoch": b"no epoch"},
    ],
)
def test_one_liar_blocks_nobody_and_adds_nothing(
    new: InheritedKey, lie: dict[str, int | bytes]
) -> None:
    new.say(1, **lie)
    new.say_all([2, 3])
    assert new.table.board.epoch is None
    new.say(4)
    assert new.table.board.epoch == handed().new_epoch
    assert new.table.board.key.inheritance.counted == new.word


def test_a_liar_that_says_two_things_counts_once(new: InheritedKey) -> None:
    new.say(1, hash=OTHER)
    again = new.say(1)
    assert again.post.body == Surplus("its sender has said this before")
    assert not new.say_all([2, 3]).table.board.key.epochs


def test_what_is_no_key_of_the_terms_never_counts(new: InheritedKey) -> None:
    for member in new.federation.members:
        new.say(member, epoch=encode(toy_epoch(3, 2).epoch))
    assert new.table.board.epoch is None


def test_no_ceremony_counts_where_a_key_is_taken_over(new: InheritedKey) -> None:
    said = new.table.say(1, Draft("ceremony/1", Join(b"k" * 32, bytes(32))))
    assert said.post.body == Surplus("the terms take a key over, so no ceremony makes one")


def test_nothing_is_inherited_where_the_terms_take_no_key_over() -> None:
    toy = toy_epoch(3, 2)
    said = copied(toy).say(1, Draft("handover/0", InheritedKey(handed()).word))
    assert said.post.body == Surplus("the terms take no key over")


def test_a_key_is_no_longer_than_one_of_the_terms(new: InheritedKey) -> None:
    assert "bytes, where" in str(new.say(1, epoch=bytes(100_000)).post.body)
    assert not new.table.board.key.inheritance.said


def test_the_key_is_refreshed_on_the_new_board(new: InheritedKey) -> None:
    new.say_all()
    again = PostedHandover(new.table, handed().new_secrets(), [1, 2, 3, 4], 3).run()
    assert again.view.attempt.is_settled
    numbers = [key.epoch.number for key in new.table.board.key.epochs]
    assert numbers == [handed().new_epoch.number, handed().new_epoch.number + 1]
    assert again.new_epoch.n == toy_epoch(3, 2).epoch.n


def test_nothing_is_handed_over_before_the_key_counts(new: InheritedKey) -> None:
    new.say_all([1, 2])
    board = new.table.board
    with pytest.raises(AssertionError):
        PostedHandover(new.table, handed().new_secrets(), [1, 2, 3, 4], 3)
    assert not board.key.handovers.all


def test_only_the_first_word_of_a_member_counts_without_any_budget_too(new: InheritedKey) -> None:
    found = Inheritance(new.federation.terms)
    assert not found.take(1, replace(new.word, hash=OTHER))
    assert [found.take(member, new.word) for member in (1, 2, 3)] == [False] * 3
    assert found.take(4, new.word)
