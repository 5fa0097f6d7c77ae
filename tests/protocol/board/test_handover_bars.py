"""What a handover bars, stage by stage, for rounds that were opened before it and after it."""

from collections.abc import Callable

import pytest

from protocol.board.budget import Surplus
from protocol.board.post import Posted
from protocol.handover.attempt import Attempt
from protocol.messages.attachment import attach
from protocol.messages.bodies import Body
from protocol.messages.handover import BareWord
from protocol.messages.rounds import Closing, Contribution, Opening, Partial, SetLock
from tests.stage.handover.posted import PostedHandover, Tamper, copied
from tests.stage.handover.rosters import Who
from tests.stage.studies import training_study
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
STUDY = training_study(TOY.federation.terms)
LOCK = SetLock(bytes(32))
PART = Partial(bytes(32), bytes(32), tuple(attach(b"key", to) for to in range(6)))
REFRESH: Who = [1, 2, 3, 4, 5]
SUCCESSION: Who = [1, 2, 3, "G1"]
Until = Callable[[Attempt], bool]


class Place:
    """A table at which a study has a round, closed, before a handover is proposed.

    Members 4 and 5 have locked; whoever has, may give a part.
    """

    def __init__(self) -> None:
        self.table = copied(TOY)
        self.table.found(STUDY)
        self.opened = [self.open(1)]
        self.lock(4)
        self.lock(5)

    def why(self, number: int, sender: int, body: Body) -> str:
        said = self.table.put(self.table.sign(STUDY.round(number), sender, body)).post.body
        return said.reason if isinstance(said, Surplus) else ""

    def open(self, number: int) -> Posted:
        """The next round, under the key that counts."""
        assert self.table.board.epoch is not None
        opening = Opening(STUDY.digest, self.table.board.epoch.digest, bytes(32), 5)
        posted = self.table.put(self.table.sign(STUDY.round(number), 0, opening))
        self.why(number, 0, Closing((), attach(b"sum")))
        return posted

    def lock(self, member: int, number: int = 1) -> str:
        return self.why(number, member, LOCK)

    def part(self, member: int, number: int = 1) -> str:
        return self.why(number, member, PART)

    def contribute(self, member: int, number: int = 1) -> str:
        opened = self.opened[number - 1]
        return self.why(number, member, Contribution(opened.digest, attach(b"numbers")))

    @property
    def opening_bar(self) -> str:
        return self.table.board.key.handovers.opening_bar

    def hand_over(
        self,
        until: Until = lambda attempt: False,
        who: Who = REFRESH,
        tamper: Tamper = lambda handed, sender, content: content,
    ) -> PostedHandover:
        quorum = 3
        made = PostedHandover(self.table, TOY.secrets, who, quorum, tamper=tamper)
        return made.run(lambda view: until(view.attempt))


NOW, SINCE = "no set is locked now", "was handed over since the round was opened"
GIVEN_UP = "that the round was opened under is given up"


def test_before_the_first_freeze_nothing_is_barred() -> None:
    place = Place()
    handed = place.hand_over(lambda attempt: len(attempt.arrived) == 4)
    assert not place.opening_bar
    handed.run(lambda view: view.attempt.is_agreed)
    assert [place.lock(1), place.part(4), place.contribute(2)] == ["", "", ""]
    assert place.opening_bar == "the key is being handed over"  # from here on no round begins


def test_who_has_frozen_locks_no_set_and_others_do_until_enough_have() -> None:
    place = Place()
    handed = place.hand_over(lambda attempt: attempt.frozen == {1, 2})
    assert NOW in place.lock(1)
    assert not place.lock(3)
    handed.run(lambda view: view.attempt.is_frozen)
    assert handed.view.attempt.frozen == {1, 2, 3, 4}
    place.table.found(other := training_study(TOY.federation.terms, name="other"))
    place.table.put(
        place.table.sign(other.round(1), 0, Opening(other.digest, bytes(32), bytes(32), 5))
    )
    said = place.table.put(place.table.sign(other.round(1), 5, LOCK)).post.body
    assert isinstance(said, Surplus)  # member 5 has not frozen, but enough have
    assert NOW in said.reason
    assert [place.part(4), place.contribute(2)] == ["", ""]  # what was locked may be opened


def test_nobody_helps_any_more_once_the_attempt_is_held() -> None:
    place = Place()
    handed = place.hand_over(lambda attempt: attempt.outcome == "held")
    assert not handed.view.attempt.is_released
    for said in place.lock(3), place.part(4), place.contribute(2):
        assert GIVEN_UP in said
    assert place.opening_bar == "the key is being handed over"


def test_after_the_release_no_round_from_before_goes_on_and_new_ones_do() -> None:
    place = Place()
    place.hand_over(lambda attempt: attempt.is_released)
    for said in place.lock(3), place.part(4), place.contribute(2):
        assert SINCE in said
    assert not place.opening_bar
    place.opened.append(place.open(2))
    assert [place.contribute(2, 2), place.lock(3, 2), place.part(3, 2)] == ["", "", ""]


def test_a_round_that_was_opened_while_the_attempt_was_held_stays_barred() -> None:
    """It was opened under a key that was nobody's yet, by an aggregator that breaks the rules."""
    place = Place()
    handed = place.hand_over(lambda attempt: attempt.outcome == "held")
    place.opened.append(place.open(2))
    assert GIVEN_UP in place.contribute(2, 2)
    handed.run(lambda view: view.attempt.is_released)
    for said in place.contribute(2, 2), place.lock(3, 2):
        assert SINCE in said


def silent(handed: PostedHandover, sender: int, content: object) -> object:
    is_dealing = handed.view.attempt.is_committed and not handed.view.attempt.outcome
    return None if sender == 1 and is_dealing else content


def test_a_void_attempt_bars_who_has_frozen_until_it_is_thawed() -> None:
    place = Place()
    handed = place.hand_over(lambda attempt: attempt.outcome == "void", tamper=silent)  # type: ignore[arg-type]
    assert not handed.view.attempt.is_thawed
    assert NOW in place.lock(2)
    assert [place.part(4), place.contribute(2)] == ["", ""]
    assert place.opening_bar == "the key is being handed over"
    handed.run()
    assert handed.handover.thawed_at == place.table.board.head.position
    assert not place.opening_bar
    assert [place.lock(2), place.lock(3), place.part(5), place.contribute(3)] == [""] * 4


def test_a_void_of_what_was_never_agreed_bars_nothing() -> None:
    place = Place()
    handed = PostedHandover(place.table, TOY.secrets, REFRESH, 3)
    for member in (1, 2, 3, 4):
        handed.say(member, BareWord("void"))
    assert handed.view.attempt.outcome == "void"
    assert [place.opening_bar, place.lock(1), place.part(4), place.contribute(2)] == [""] * 4


def test_after_a_succession_nothing_is_opened_under_these_terms_any_more() -> None:
    place = Place()
    place.hand_over(lambda attempt: attempt.is_released, SUCCESSION)
    assert place.opening_bar == "the key was handed over to another federation"
    place.opened.append(place.open(2))
    for number in (1, 2):
        for said in place.lock(3, number), place.contribute(2, number), place.part(4, number):
            assert said
    assert SINCE in place.contribute(1, 2)


def test_rounds_of_the_epoch_before_stay_barred_while_the_next_attempt_is_under_way() -> None:
    place = Place()
    first = place.hand_over()
    place.opened.append(place.open(2))
    secrets = first.new_secrets()
    second = PostedHandover(place.table, secrets, REFRESH, 3)
    assert SINCE in place.part(4)
    assert not place.lock(4, 2)
    second.run(lambda view: view.attempt.is_frozen)
    assert NOW in place.lock(5, 2)
    assert SINCE in place.part(5)
    assert [place.part(4, 2), place.contribute(2, 2)] == ["", ""]
    second.run(lambda view: view.attempt.is_released)
    assert SINCE in place.part(4, 2)


@pytest.mark.parametrize("word", ["void", "thaw", "release", "acknowledge"])
def test_a_word_of_too_few_bars_nothing(word: str) -> None:
    place = Place()
    handed = PostedHandover(place.table, TOY.secrets, REFRESH, 3)
    handed.say(1, BareWord(word))  # type: ignore[arg-type]
    assert [place.lock(1), place.part(4), place.contribute(2), place.opening_bar] == [""] * 4
