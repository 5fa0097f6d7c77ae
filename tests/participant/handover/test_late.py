"""What a hospital does that missed how an attempt ended, or has lost what it got by one."""

import asyncio
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from participant.agent.steps import Steps
from participant.handover import NewShareLost, Wish
from participant.service.due import Due, due_tasks
from participant.service.work import Work
from protocol.messages.handover import BareWord, HandoverProposal, ShownPart
from tests.stage.handover.refreshes import TOY, Refresh, decrypts
from tests.stage.handover.rosters import proposal, terms_of


@pytest.fixture
def hall(tmp_path: Path) -> Refresh:
    found = Refresh(tmp_path / "aggregator", federation=TOY.federation)
    return found.homes(tmp_path)


def left_of(hall: Refresh, member: int, session: str) -> list[str]:
    """What an attempt has left in a vault, but for the mark that it is over."""
    found = hall.members[member].vault.folder.glob(f"{session.replace('/', '-')}.*")
    return [path.name for path in found if path.suffix != ".forgotten"]


def epochs(hall: Refresh) -> list[list[int]]:
    """Of which epochs each hospital's vault holds a share."""
    return [hall.members[i].vault.epochs() for i in (1, 2, 3)]


def due_at(hall: Refresh, member: int) -> list[Due]:
    """What is due there by itself."""
    own = hall.members[member]
    keys = own.keys if own.vault.epochs() else None
    return due_tasks(hall.service.board, own, keys, 0, lambda *given: [])


# ── the next one has begun ──


def given_up_and_begun_anew(hall: Refresh) -> None:
    """Hospital 3 falls silent before it shows; the others give up, and wish for it once more."""
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.silence([3], ShownPart)
    hall.talk()
    hall.seconds += TOY.federation.terms.step_seconds + 1
    hall.talk_on()
    for i in (1, 2):
        hall.comes_back(i, wishes=True)
    hall.talk()
    first, second = hall.service.board.key.handovers.all
    assert first.thawed_at is not None
    assert not second.is_over


def test_what_an_attempt_has_left_is_erased_though_the_next_one_has_begun(hall: Refresh) -> None:
    given_up_and_begun_anew(hall)
    assert "handover-1.share" in left_of(hall, 3, "handover/1")
    hall.comes_back(3)
    hall.talk()
    assert not left_of(hall, 3, "handover/1")
    assert epochs(hall) == [[2]] * 3


def test_so_it_is_where_the_end_and_the_next_beginning_come_at_once(hall: Refresh) -> None:
    """The program was there all along; only its line was cut."""
    given_up_and_begun_anew(hall)
    hall.silenced.clear()
    hall.silent.discard(3)
    hall.talk_on()
    assert hall.tasks[3].session == "handover/2"
    assert not left_of(hall, 3, "handover/1")


def released_and_begun_anew(hall: Refresh) -> None:
    """Hospital 3 has shown its share, and sees nothing of the release; a member proposes again."""
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.falls_silent_at |= dict.fromkeys((1, 2, 3), "release")
    hall.talk()
    for i in (1, 2):
        hall.comes_back(i)
    hall.talk()
    assert hall.newest.number == 2
    del hall.agents[1]  # it would not know this for its own
    hall.say(1, "handover/2", HandoverProposal(hall.newest.digest, b"", ()))


def test_a_new_share_gets_into_its_place_though_the_next_one_has_begun(hall: Refresh) -> None:
    released_and_begun_anew(hall)
    assert hall.members[3].vault.epochs() == [1]
    hall.comes_back(3)
    hall.talk()
    assert hall.members[3].vault.epochs() == [1, 2]
    assert not left_of(hall, 3, "handover/1")
    assert decrypts(hall.held(1), hall.held(3))


def test_old_shares_are_erased_once_all_acknowledge_though_the_next_one_was_given_up(
    hall: Refresh,
) -> None:
    released_and_begun_anew(hall)
    hall.agents.clear()
    for i in (1, 2, 3):
        hall.say(i, "handover/2", BareWord("void"))
    for i in (1, 2, 3):
        hall.say(i, "handover/2", BareWord("thaw"))
    hall.say(3, "handover/1", BareWord("acknowledge"))
    hall.disks[2].delete("outbox/post")
    hall._keep_head()
    first, second = hall.service.board.key.handovers.all
    assert first.view.attempt.is_settled
    assert second.thawed_at is not None
    assert hall.members[2].vault.epochs() == [1, 2]
    assert [due.session for due in due_at(hall, 2)] == ["handover/2"]
    hall.comes_back(2)
    hall.talk_on()
    assert hall.members[2].vault.epochs() == [2]
    assert due_at(hall, 2) == []


# ── its disk is what it was before ──


def without_the_new_share(hall: Refresh, copy: Path, falls_silent_at: str = "") -> None:
    """The key is refreshed, and then hospital 3's folder is what it was at the beginning."""
    shutil.copytree(hall.members[3].folder, copy)
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.falls_silent_at[3] = falls_silent_at
    hall.talk()
    assert hall.newest.number == 2
    hall.set_back(3, copy)
    assert hall.members[3].vault.epochs() == [1]


def ends(hall: Refresh) -> None:
    """Its program does what is due by itself, and says that a share is lost."""
    hall.comes_back(3)
    with pytest.raises(NewShareLost):
        hall.talk()


def test_once_the_old_one_is_erased_nothing_is_due_there(hall: Refresh, tmp_path: Path) -> None:
    """Not the ceremony that made the key either: that one was handed over."""
    without_the_new_share(hall, tmp_path / "copy")
    ends(hall)
    assert due_at(hall, 3) == []


def test_an_agent_goes_on_without_any_share(hall: Refresh, tmp_path: Path) -> None:
    """It had one when it began."""
    without_the_new_share(hall, tmp_path / "copy")

    async def play() -> None:
        work = Work(hall.members[3], Steps(), Mock())
        assert work._due(hall.agents[3], set())
        ends(hall)
        assert work._due(hall.agents[3], set()) == []

    asyncio.run(play())


def test_a_share_lost_before_its_hospital_acknowledged_is_made_anew_when_people_there_ask(
    hall: Refresh, tmp_path: Path
) -> None:
    """The others wait for that in vain; the wish of the one that lost it begins the next."""
    without_the_new_share(hall, tmp_path / "copy", falls_silent_at="acknowledge")
    hall.disks[3].delete("outbox/post")
    hall.comes_back(3)
    hall.talk()
    assert hall.tasks[3].session == "handover/1"
    hall.tasks[3].agree(Wish(TOY.federation.terms))
    hall.talk()
    assert epochs(hall) == [[3]] * 3
    assert decrypts(hall.held(1), hall.held(3))


# ── not all acknowledge ──


def released_without_3(hall: Refresh) -> None:
    """People have typed for a refresh; hospital 3's machine is lost once it has shown its share."""
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.falls_silent_at[3] = "release"
    hall.talk()
    handover = hall.service.board.key.handovers.all[0]
    assert handover.released_at is not None
    assert not handover.view.attempt.is_settled


def test_programs_at_work_then_take_another_wish(hall: Refresh) -> None:
    released_without_3(hall)
    new = terms_of(TOY.federation.terms, [1, 2, "G1"], 2)
    hall.tasks[1].agree(Wish(new, proposal(TOY.federation, TOY.epoch, [1, 2, "G1"], 2).signatures))
    hall.talk()
    first, second = hall.service.board.key.handovers.all
    assert second.about.new == new
    assert second.about.epoch == first.view.epoch
    assert second.view.attempt.consents == {1}


def test_what_people_have_got_is_no_wish_against_the_next_one(hall: Refresh) -> None:
    released_without_3(hall)
    epoch = hall.newest
    del hall.agents[3]
    hall.say(3, "handover/2", proposal(TOY.federation, epoch, [1, 2, "G1"], 2))
    hall.talk()
    attempt = hall.service.board.key.handovers.all[1].view.attempt
    assert hall.tasks[1].session == hall.tasks[2].session == "handover/2"
    assert not attempt.voids
    assert not attempt.consents
