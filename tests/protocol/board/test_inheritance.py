"""A key that was taken over counts on the new board when enough members have said the same."""

from functools import lru_cache

import pytest
from msgspec.structs import replace

from protocol.board.budget import Surplus
from protocol.board.draft import Draft
from protocol.board.inheritance import Inheritance
from protocol.encoding import encode
from protocol.key.epoch import read_epoch, read_secret
from protocol.messages import inherited_sums
from protocol.messages.ceremony import Join
from protocol.messages.inherited_sums import InheritedSum, InheritedSums
from tests.stage.handover import inherited
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


# ── the sums that come with it ──


SUMS = InheritedSums(
    ("H1", "H2", "H3"),
    (inherited_sums.InheritedStart("model", OTHER),),
    (InheritedSum("cardio/1", 0, (0, 1, 2)),),
)


@pytest.fixture
def with_sums(monkeypatch: pytest.MonkeyPatch) -> InheritedKey:
    """What was opened before comes in several parts."""
    monkeypatch.setattr(inherited_sums, "PART_BYTES", 40)
    monkeypatch.setattr(inherited, "sums_up_to", lambda board, position: SUMS)
    return InheritedKey(handed())


def test_the_key_counts_once_all_parts_of_the_sums_are_there(with_sums: InheritedKey) -> None:
    new, board = with_sums, with_sums.table.board
    for member in (1, 2, 3):
        new.say(member)
    assert board.key.inheritance.missing_parts == [0, 1]
    new.put_part(2, 1)
    assert board.epoch is None
    posted = new.put_part(4, 0)
    assert board.key.epochs == [(posted.position, handed().new_epoch)]
    assert board.key.inheritance.sums == SUMS


def test_members_that_name_other_sums_do_not_say_the_same(with_sums: InheritedKey) -> None:
    with_sums.say(1, sums=())
    for member in (2, 3):
        with_sums.say(member)
    assert with_sums.table.board.key.inheritance.counted is None
    with_sums.say(4)
    assert with_sums.table.board.key.inheritance.counted == with_sums.word


def test_a_part_counts_once_after_the_word_and_as_it_was_named(with_sums: InheritedKey) -> None:
    new = with_sums
    assert "not enough" in str(new.put_part(1, 0).post.body)
    for member in (1, 2, 3):
        new.say(member)
    assert "not the part" in str(new.put_part(1, 0, data=b"x").post.body)
    assert "none of that number" in str(new.put_part(1, 0, number=2).post.body)
    new.put_part(1, 0)
    assert "is here" in str(new.put_part(2, 0).post.body)
    assert new.table.board.key.inheritance.missing_parts == [1]


def test_sums_that_are_none_make_no_key_count(
    new: InheritedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    new.parts = (b"junk",)
    new.word = replace(new.word, sums=(inherited_sums.part_name(b"junk"),))
    new.say_all()
    assert not new.table.board.key.inheritance.missing_parts
    assert new.table.board.epoch is None


def test_after_that_the_last_word_is_told_and_no_part_is_missing(with_sums: InheritedKey) -> None:
    with_sums.say_all([1, 2, 3])
    late = with_sums.say(4, sums=())
    assert with_sums.table.board.key.inheritance.said[4] == late.post.body
    assert with_sums.table.board.epoch == handed().new_epoch
