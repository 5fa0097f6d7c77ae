"""An agent that speaks as a guest of a handover, on the board of the federation that hands over."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.agent.agent import Agent
from participant.agent.checkpoint import load_checkpoint
from participant.agent.set_back import SetBack
from participant.agent.tasks import Tasks
from participant.errors import IdentityInUse
from participant.home.address import Address
from participant.network.card_task import CardTask
from protocol.board.draft import Draft
from protocol.messages.handover import Content
from protocol.wire.frames import Welcome
from tests.simulator.disk import Disk
from tests.stage.desk import Desk
from tests.stage.handover.at_desk import handing_over
from tests.stage.handover.posted import PostedHandover
from tests.stage.handover.rosters import guest_key
from tests.stage.saying import Saying, connect

GUEST = 4  # of three old members
G1, G3 = guest_key("G1"), guest_key("G3")


def silent_guests(handed: PostedHandover, sender: int, content: Content) -> Content | None:
    return content if sender < GUEST else None


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


class Guest:
    """A disk, what its owner was told, and a program that starts and speaks."""

    def __init__(self, desk: Desk, key: Ed25519PrivateKey = G1) -> None:
        self.desk, self.key, self.disk = desk, key, Disk()
        self.told: list[SetBack] = []

    def start(self, *drafts: Draft) -> Agent:
        terms = self.desk.federation.terms
        return Agent(terms, GUEST, self.key, self.disk, Saying(*drafts), tell=self.told.append)

    def says(self, *drafts: Draft) -> Agent:
        agent = self.start(*drafts)
        connect(agent, self.desk.service)
        assert agent.done
        return agent


def arrival(handed: PostedHandover) -> Draft:
    content = handed.members[GUEST].due()
    assert content is not None
    return Draft(handed.session, content)


def test_what_a_guest_says_stands_on_the_board_and_its_checkpoint_has_it(desk: Desk) -> None:
    handed, guest = handing_over(desk, ["G1", 3, 1, "G2"], 3), Guest(desk)
    agent = guest.says(arrival(handed))
    assert handed.view.attempt.arrived == {GUEST}
    assert load_checkpoint(guest.disk) == desk.service.board.head
    assert agent.seen == desk.service.board.last_of(GUEST, handed.session)
    guest.says()
    assert guest.told == []


def test_a_post_of_a_guest_that_was_lost_on_its_way_is_sent_again(desk: Desk) -> None:
    handed, guest = handing_over(desk, ["G1", 3, 1, "G2"], 3), Guest(desk)
    agent = guest.start(arrival(handed))
    agent.connected(Welcome(*desk.service.board.head))
    agent.receive(desk.service.entries_after(0))
    agent.step()
    assert handed.view.attempt.arrived == set()
    guest.says()
    assert handed.view.attempt.arrived == {GUEST}


def test_a_guest_tells_of_no_card_since_it_may_not(desk: Desk) -> None:
    handed, guest = handing_over(desk, ["G1", 3, 1, "G2"], 3), Guest(desk)
    card = desk.federation.card
    beside = CardTask(GUEST, Address(card.key, card, desk.folder))
    tasks = Tasks.lone(Saying(arrival(handed)), beside)
    agent = Agent(desk.federation.terms, GUEST, G1, guest.disk, tasks)
    connect(agent, desk.service)
    assert agent.done
    assert handed.view.attempt.arrived == {GUEST}


def test_another_guests_words_under_the_number_are_not_its_own(desk: Desk) -> None:
    first = handing_over(desk, ["G1", 3, 1, "G2"], 3)
    Guest(desk).says(arrival(first))
    first.tamper = silent_guests
    assert first.run().view.attempt.is_thawed
    second, guest = handing_over(desk, ["G3", 3, 1, "G2"], 3), Guest(desk, G3)
    guest.says(arrival(second))
    assert second.view.attempt.arrived == {GUEST}
    assert guest.told == []


def test_a_guest_that_another_process_speaks_for_stops(desk: Desk) -> None:
    handed, guest = handing_over(desk, ["G1", 3, 1, "G2"], 3), Guest(desk)
    agent = guest.says()
    handed.speak(GUEST)
    with pytest.raises(IdentityInUse):
        agent.receive(desk.service.entries_after(agent.board.head.position))


def test_a_guests_folder_that_went_back_in_time_is_noticed(desk: Desk) -> None:
    handed, guest = handing_over(desk, ["G1", 3, 1, "G2"], 3), Guest(desk)
    before = dict(guest.disk.files)
    guest.says(arrival(handed))
    position = desk.service.board.head.position
    guest.disk.files = before
    guest.says()
    assert guest.told == [SetBack(position, position)]
