"""A key handed over to another federation by hospitals' agents, which begins on its new board."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.cli.sentences.sentence import Context
from participant.cli.sentences.waiting import waiting_line
from participant.disk import FolderStorage, hold
from participant.handover import HandoverGivenUp, HandoverTask, Wish
from participant.handover.errors import TooManySums
from participant.handover.own import OwnPlace
from participant.home.folders import federation_folder
from participant.home.handover_shelf import HandoverShelf
from participant.home.identity import Identity
from participant.home.membership import Membership
from participant.home.vault import Vault
from participant.key.inheritance import inheritance_task
from participant.key.inherited_from import InheritedFrom, inherited_from, inherited_parts
from participant.rounds.task import DecryptionTask
from participant.service.due import Due, due_tasks
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from participant.study.contributed import contributed_before
from participant.waiting import Waiting
from protocol.board.board import Board
from protocol.board.post import Post
from protocol.encoding import decode
from protocol.key.epoch import HeldKey
from protocol.messages import inherited_sums
from protocol.messages.fields import MAX_POST_BYTES
from protocol.messages.handover import BareWord, ShownPart
from protocol.messages.inherited_sums import InheritedStart, InheritedSum, InheritedSums
from protocol.terms.terms import sign_terms
from protocol.wire.frames import FromMember, Submit
from tests.stage.hall import Hall
from tests.stage.handover.rosters import terms_of
from tests.stage.rounds.rings import ring_of
from tests.stage.toy import Federation, number_secret, toy_epoch
from tests.stage.toy_home import CHEAP, PASSPHRASE, address_of, member_at

TOY = toy_epoch(3, 2)
KEYS = TOY.federation.keys
SUMS = InheritedSums(
    ("H1",), (InheritedStart("model", bytes(32)),), (InheritedSum("cardio/1", 0, (0,)),)
)
NEW = Federation(terms_of(TOY.federation.terms, [3, 1, 2], 3), (KEYS[0], KEYS[3], *KEYS[1:3]))


@dataclass
class Halls:
    """Old and new board, and the three hospitals that are members of both."""

    folder: Path

    def __post_init__(self) -> None:
        self.old = Hall(self.folder / "old", TOY.federation, 1_000_000_000)
        self.new = Hall(self.folder / "new", NEW, 1_000_000_000, with_key=False)
        self.members = {i: member_at(self.folder / f"h{i}", i, TOY) for i in (1, 2, 3)}

    @property
    def wish(self) -> Wish:
        return Wish(NEW.terms, tuple(sign_terms(NEW.terms, NEW.keys[i]) for i in NEW.members))

    def hand_over(self) -> None:
        for i, own in self.members.items():
            self.old.come(i, HandoverTask(i, OwnPlace(own), self.wish))
        self.old.talk()

    def refresh(self) -> None:
        """The new federation refreshes the key that it took over: epoch 3."""
        members = [self.new_member(i) for i in self.members]
        for member in members:
            inheritance = inheritance_task(member)
            assert inheritance is not None
            self.new.come(member.index, inheritance)
        self.new.talk()
        for member in members:
            self.new.come(
                member.index, HandoverTask(member.index, OwnPlace(member), Wish(NEW.terms))
            )
        self.new.talk()

    def new_folder(self, old_number: int) -> Path:
        return federation_folder(self.members[old_number].folder.parent, NEW.terms.federation)

    def new_member(self, old_number: int) -> Membership:
        """The same hospital under the new terms."""
        own, folder = self.members[old_number], self.new_folder(old_number)
        index = NEW.terms.index_of(own.identity.card.key)
        assert index is not None
        vault = Vault(folder / "vault", NEW.terms.federation, index, CHEAP)
        address = address_of(NEW, folder)
        return Membership(NEW.terms, index, own.identity, folder, vault, PASSPHRASE, address)


@pytest.fixture
def halls(tmp_path: Path) -> Iterator[Halls]:
    made = Halls(tmp_path)
    yield made
    made.old.service.close()
    made.new.service.close()


def test_hospitals_go_on_with_the_key_on_the_board_of_the_new_federation(halls: Halls) -> None:
    halls.hand_over()
    handover = halls.old.service.board.key.handovers.last
    assert handover is not None
    assert handover.view.attempt.is_settled
    for i in halls.members:
        member = halls.new_member(i)
        task = inheritance_task(member)
        assert task is not None
        halls.new.come(member.index, task)
    halls.new.talk()
    assert halls.new.service.epoch == handover.view.epoch
    assert halls.new.service.board.key.inheritance.said.keys() == {1, 2, 3}


def test_the_release_and_its_sums_are_noted_before_the_share_has_its_place(
    halls: Halls, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, noted = list[int](), list[InheritedFrom | None]()
    promote = HandoverShelf.promote

    def watched(self: HandoverShelf) -> None:
        folder = self._target.folder.parent
        noted.append(inherited_from(folder))
        assert tuple(inherited_parts(folder).values()) == SUMS.parts()
        promote(self)

    def opened(board: Board, position: int) -> InheritedSums:
        asked.append(position)
        return SUMS

    module = sys.modules["participant.key.inherited_from"]  # a function has its name
    monkeypatch.setattr(module, "sums_up_to", opened)
    monkeypatch.setattr(HandoverShelf, "promote", watched)
    halls.hand_over()
    board = halls.old.service.board
    handover = board.key.handovers.last
    assert handover is not None
    assert asked == [handover.released_at] * 3
    assert noted == [InheritedFrom.of(board, handover, SUMS.parts())] * 3


def contributed(hall: Hall) -> bytes:
    """All have contributed to a statistic, and it is over; the digest of its plan."""
    hall.found(hall.statistic())
    for i in hall.federation.members:
        numbers = Numbers("ages.json", (Decimal(3), Decimal(4)))
        place = hall.federation.terms, "age", hall.ring(i), numbers, hall.disks[i]
        hall.come(i, StatisticTask(*place, number_secret(i)))
    hall.talk()
    for i in hall.federation.members:
        helping = hall.federation.terms, "age", 1, hall.ring(i), hall.disks[i]
        hall.come(i, DecryptionTask(*helping, lambda question: True))
    hall.talk()
    return hall.service.board.studies["age"].study.digest


def test_where_contributions_lie_is_noted_before_the_share_has_its_place(
    halls: Halls, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, noted, promote = contributed(halls.old), [], HandoverShelf.promote

    def watched(self: HandoverShelf) -> None:
        assert self._target is not None
        (kept,) = contributed_before(FolderStorage(self._target.folder.parent)).values()
        noted.append([one[:4] for one in kept])
        promote(self)

    monkeypatch.setattr(HandoverShelf, "promote", watched)
    halls.hand_over()
    assert noted == [[("age", 1, digest, 0.0)]] * 3
    for i, own in halls.members.items():
        own.storage.write("studies/age/numbers", bytes([i]))
        ((one,),) = contributed_before(halls.new_member(i).storage).values()
        assert one.read("studies/age/numbers") == bytes([i])
        assert halls.new_member(i).number_secret == own.number_secret
    assert len({own.number_secret for own in halls.members.values()}) == 3


def test_close_answers_count_in_the_new_folder_before_the_share_has_its_place(
    halls: Halls, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, said, promote = f"close-answers/{bytes(32).hex()}", [], HandoverShelf.promote
    for i, own in halls.members.items():
        own.storage.write(name, bytes([i]) * 16)

    def watched(self: HandoverShelf) -> None:
        assert self._target is not None
        said.append(FolderStorage(self._target.folder.parent).read(name))
        promote(self)

    monkeypatch.setattr(HandoverShelf, "promote", watched)
    halls.hand_over()
    assert set(said) == {bytes([i]) * 16 for i in halls.members}
    for i, own in halls.members.items():
        assert halls.new_member(i).storage.read(name) == bytes([i]) * 16
        assert halls.new_member(i).model_secret == own.model_secret


@pytest.mark.parametrize(("name", "count"), [("H2", 1), ("Newcomer", 0)])
def test_a_replaced_machine_notes_what_its_name_has_contributed(
    halls: Halls, name: str, count: int
) -> None:
    contributed(halls.old)
    halls.hand_over()
    board, home = halls.old.service.board, halls.folder / "replaced"
    handover = board.key.handovers.last
    assert handover is not None
    folder = federation_folder(home, TOY.federation.terms.federation)
    identity = Identity(name, Ed25519PrivateKey.generate())
    guest = replace(halls.members[1], index=4, identity=identity, folder=folder)
    OwnPlace(guest).released(board, handover)
    new = FolderStorage(federation_folder(home, NEW.terms.federation))
    assert len(contributed_before(new)) == count


def test_nothing_is_proposed_where_the_new_board_would_not_take_all_sums(
    halls: Halls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("participant.handover.wish.sums_up_to", lambda board, position: SUMS)
    monkeypatch.setattr(inherited_sums, "MAX_INHERITED_BYTES", 40)
    with pytest.raises(TooManySums):
        halls.hand_over()
    assert not halls.old.service.board.key.handovers.all


def test_a_refresh_on_the_new_board_waits_until_the_key_counts_there(halls: Halls) -> None:
    halls.hand_over()
    members = [halls.new_member(i) for i in halls.members]
    refreshes = [HandoverTask(m.index, OwnPlace(m), Wish(NEW.terms)) for m in members]
    halls.new.come(members[0].index, refreshes[0])
    halls.new.talk()
    assert halls.new.service.epoch is None
    for member in members:
        inheritance = inheritance_task(member)
        assert inheritance is not None
        halls.new.come(member.index, inheritance)
    halls.new.talk()
    for member, refresh in zip(members, refreshes, strict=True):
        halls.new.come(member.index, refresh)
    halls.new.talk()
    assert halls.new.service.epoch is not None
    assert halls.new.service.epoch.number == 3


def test_who_types_handover_again_after_the_next_refresh_has_lost_nothing(halls: Halls) -> None:
    halls.hand_over()
    halls.refresh()
    assert halls.new_member(2).vault.epochs() == [3]
    halls.hand_over()  # again
    assert all(agent.task.done for agent in halls.old.agents.values())


def test_who_has_not_acknowledged_before_the_next_refresh_does_so_after_it(
    halls: Halls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_silenced(self: Hall, i: int, frame: FromMember) -> bool:
        if i != 2 or not isinstance(frame, Submit):
            return False
        body = decode(frame.post.post, Post, "post", MAX_POST_BYTES).body
        return body == BareWord("acknowledge")

    monkeypatch.setattr(Hall, "_is_silenced", is_silenced)
    halls.hand_over()
    monkeypatch.undo()
    halls.refresh()
    handover = halls.old.service.board.key.handovers.last
    assert handover is not None
    assert not handover.view.attempt.is_settled
    halls.old.silent.clear()
    halls.old.disks[2].files.pop("outbox/post", None)  # it was killed before it had said it
    halls.hand_over()
    assert handover.view.attempt.is_settled


def test_nothing_is_shown_where_they_became_too_many_since(
    halls: Halls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or who proposed has not looked. After a release the key would never count anywhere."""

    def opened(board: Board, position: int) -> InheritedSums:
        return SUMS if board.key.handovers.all else InheritedSums()

    monkeypatch.setattr("participant.handover.wish.sums_up_to", opened)
    monkeypatch.setattr(inherited_sums, "MAX_INHERITED_BYTES", 40)
    with pytest.raises(HandoverGivenUp) as caught:
        halls.hand_over()
    assert caught.value.too_many_sums
    handover = halls.old.service.board.key.handovers.last
    assert handover is not None
    assert handover.view.attempt.is_thawed
    assert not handover.view.attempt.shown


def test_one_that_is_given_up_for_silence_is_not_said_to_have_too_many_sums(halls: Halls) -> None:
    seconds = [0.0]
    for i, own in halls.members.items():
        halls.old.come(i, HandoverTask(i, OwnPlace(own), halls.wish, lambda: seconds[0]))
    halls.old.silence([3], ShownPart)
    halls.old.talk()
    seconds[0] += 2 * TOY.federation.terms.step_seconds
    with pytest.raises(HandoverGivenUp) as caught:
        halls.old.talk()
    assert not caught.value.too_many_sums


def test_a_share_waits_until_no_other_process_is_at_work_in_its_folder(halls: Halls) -> None:
    with hold(halls.new_folder(2), "serve"):
        halls.hand_over()
        waiting = halls.old.agents[2].tasks.main.waiting(halls.old.service.board)
        assert waiting.kind == "folder"
        assert waiting.facts["path"] == str(halls.new_folder(2))
        assert (waiting.facts["pid"], waiting.facts["command"]) == (os.getpid(), "serve")
        assert halls.new_member(2).vault.epochs() == []
        assert halls.members[2].vault.epochs() == [1]
        handover = halls.old.service.board.key.handovers.last
        assert handover is not None
        assert handover.view.attempt.is_released
        assert 2 not in handover.view.attempt.acknowledged
        assert halls.new_member(1).vault.epochs() == [2], "nobody waits for it"
    halls.old.talk()  # by itself, at the next step
    assert halls.old.agents[2].tasks.done
    assert halls.new_member(2).vault.epochs() == [2]
    assert halls.members[2].vault.epochs() == []
    handover = halls.old.service.board.key.handovers.last
    assert handover is not None
    assert handover.view.attempt.is_settled


def test_people_are_told_who_has_the_folder_and_how_to_end_it() -> None:
    facts = {"path": "new-home", "pid": 12, "command": "serve"}
    waiting, old = Waiting("folder", (2,), facts), Context(file=Path("federation.toml"))
    new = Context(file=Path("federation-2.toml"), old=Path("federation.toml"))
    said = waiting_line(waiting, 20, 2, new)
    assert "this hospital" in said
    assert "the folder new-home for its new key share, which process 12 (serve) uses" in said
    assert said.endswith("End it: quorate-participant stop federation-2.toml")
    assert waiting_line(waiting, 20, 2, old).endswith(
        "stop NEW.toml"
    )  # an agent under the old terms
    other = Waiting("folder", (2,), {**facts, "pid": None, "command": ""})
    assert "which another process uses" in waiting_line(other, 20, 2, new)
    assert waiting_line(other, 20, 2, new).endswith("Wait for it to end, or stop it.")


def test_a_program_that_begins_anew_waits_for_the_folder_too(halls: Halls) -> None:
    with hold(halls.new_folder(2), "train"):
        halls.hand_over()
        halls.hand_over()
        assert halls.new_member(2).vault.epochs() == []
    halls.old.talk()
    assert halls.new_member(2).vault.epochs() == [2]


def test_nothing_but_its_end_is_due_once_another_federation_has_the_key(halls: Halls) -> None:
    def due(member: int) -> list[str]:
        keys = ring_of(HeldKey(TOY.epoch, TOY.secrets[member]))  # as before it is given up
        study = Due("study/cardio", lambda: HandoverTask(member, Mock(), None))
        board, own = halls.old.service.board, halls.members[member]
        return [one.session for one in due_tasks(board, own, keys, 0, lambda *given: [study])]

    assert due(1) == ["study/cardio"]
    halls.hand_over()
    assert due(1) == []
