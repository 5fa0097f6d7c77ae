"""A new member says which key it took over, by itself and beside whatever else it does."""

import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from participant.agent.tasks import Tasks
from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.cli.sentences.waiting import waiting_line
from participant.errors import DamagedFile, FileExists
from participant.home.key_ring import KeyRing
from participant.home.membership import Membership
from participant.hospital.at_work import AtWork
from participant.key.check import KeyCheckTask
from participant.key.errors import OtherInheritedKey
from participant.key.inheritance import InheritanceTask, inheritance_task
from participant.key.inherited_from import (
    InheritedFrom,
    inherited_from,
    inherited_parts,
    note_inherited,
)
from participant.network.session import Notices, Session
from participant.service.due import due_tasks
from participant.waiting import inheritance_waiting
from protocol.encoding import encode
from protocol.key.epoch import HeldKey
from protocol.messages import inherited_sums
from protocol.messages.handover import KeyInherited
from protocol.messages.inherited_sums import (
    InheritedPart,
    InheritedStart,
    InheritedSum,
    InheritedSums,
    part_name,
)
from tests.stage.hall import Hall
from tests.stage.handover.inherited import SESSION, InheritedKey
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.rounds.rings import ring_in, ring_of
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import member_at


@lru_cache(maxsize=1)
def handed() -> PostedHandover:
    """From 2 of 3 to 3 of 4, two of them guests."""
    toy = toy_epoch(3, 2)
    return PostedHandover(copied(toy), toy.secrets, ["G1", 3, 1, "G2"], 3).run()


NEW = InheritedKey(handed())
TOY = NEW.toy
NOTE = InheritedFrom.of(handed().table.board, handed().handover)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path, TOY.federation, 1_000_000_000, with_key=False)
    yield made
    made.service.close()


def task_of(
    member: int, note: InheritedFrom | None = NOTE, parts: Sequence[bytes] = ()
) -> InheritanceTask:
    here = {part_name(part): part for part in parts}
    return InheritanceTask(member, ring_in(TOY, member), lambda: note, lambda: here)


def said(hall: Hall) -> dict[int, KeyInherited]:
    return hall.service.board.key.inheritance.said


# ── the note ──


def test_the_note_has_the_entry_that_released_the_key(tmp_path: Path) -> None:
    note_inherited(tmp_path, NOTE)
    found = inherited_from(tmp_path)
    assert found == NOTE
    assert (found.position, found.hash) == (NEW.word.position, NEW.word.hash)
    assert found.epoch == handed().new_epoch.digest


def test_it_is_noted_again_after_a_crash_and_never_changed(tmp_path: Path) -> None:
    assert inherited_from(tmp_path) is None
    note_inherited(tmp_path, NOTE)
    note_inherited(tmp_path, NOTE)
    with pytest.raises(FileExists):
        note_inherited(tmp_path, replace(NOTE, position=1))
    assert inherited_from(tmp_path) == NOTE


@pytest.mark.parametrize(
    "data", [b"\x94", encode(replace(NOTE, position=1 << 48)), bytes(1 << 15)], ids=len
)
def test_a_damaged_note_is_told(tmp_path: Path, data: bytes) -> None:
    """Also one whose entry no word could name."""
    (tmp_path / "inherited-from").write_bytes(data)
    with pytest.raises(DamagedFile) as raised:
        inherited_from(tmp_path)
    remedy = describe(raised.value, Context()).remedy
    assert "this hospital does not say which key it took over" in remedy


def test_sums_that_are_too_long_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["participant.key.inherited_from"], "MAX_INHERITED_BYTES", 10)
    (tmp_path / "inherited-sums").write_bytes(bytes(11))
    assert inherited_parts(tmp_path) == {}


def test_a_note_whose_word_is_said_and_sums_that_are_on_the_board_are_not_read_again() -> None:
    def read() -> Any:
        raise AssertionError

    board = InheritedKey(handed()).say_all([1, 2, 3]).table.board
    again = InheritanceTask(1, ring_in(TOY, 1), read, read)
    again.begin(board)
    assert again.done
    assert again.due() is None


# ── the word ──


def test_each_member_says_it_once_and_is_done_when_the_key_counts(hall: Hall) -> None:
    tasks = {i: task_of(i) for i in (1, 2, 3)}
    for i in (1, 2):
        hall.come(i, tasks[i])
    hall.talk()
    assert not tasks[1].done
    hall.come(3, tasks[3])
    hall.talk()
    assert said(hall) == dict.fromkeys((1, 2, 3), NEW.word)
    assert all(task.done for task in tasks.values())
    assert hall.service.epoch == handed().new_epoch


def test_after_a_restart_nothing_is_said_again(hall: Hall) -> None:
    for _ in range(2):
        hall.come(1, task_of(1))
        hall.talk()
    assert len(hall.service.board.session(SESSION)) == 1


def test_who_was_restored_without_the_note_says_nothing_and_waits_for_the_others(
    hall: Hall,
) -> None:
    restored = task_of(1, None)
    hall.come(1, restored)
    hall.talk()
    assert not restored.done
    for i in (2, 3, 4):
        hall.come(i, task_of(i))
    hall.talk()
    assert 1 not in said(hall)
    assert restored.done


def test_it_is_said_beside_another_task(hall: Hall) -> None:
    for i in (1, 2, 3):
        check = KeyCheckTask(TOY.federation.terms, ring_in(TOY, i), hall.time_ms)
        hall.come(i, Tasks.lone(check, task_of(i)))  # type: ignore[arg-type]
    hall.talk()
    assert said(hall).keys() == {1, 2, 3}
    assert all(hall.agents[i].done for i in (1, 2, 3))


def test_a_share_of_another_key_than_the_one_that_counts_is_an_error(hall: Hall) -> None:
    for i in (2, 3, 4):
        hall.come(i, task_of(i))
    hall.talk()
    other = replace(handed().new_epoch, number=7)
    ring = ring_of(HeldKey(other, TOY.secrets[1]))
    note = replace(NOTE, epoch=other.digest)
    hall.come(1, InheritanceTask(1, ring, lambda: note, dict[bytes, bytes]))
    with pytest.raises(OtherInheritedKey) as raised:
        hall.talk()
    sentence = describe(raised.value, Context())
    assert "the key share of epoch 7 here is of another key than that of epoch 2" in sentence.what
    assert "key restore" in sentence.remedy
    assert 1 not in said(hall)


def test_after_a_refresh_on_the_new_board_nothing_is_left_to_say() -> None:
    new = InheritedKey(handed()).say_all([1, 2, 3])
    again = PostedHandover(new.table, handed().new_secrets(), [1, 2, 3, 4], 3).run()
    ring = ring_of(HeldKey(again.new_epoch, again.new_secrets()[4]))
    late = InheritanceTask(4, ring, lambda: NOTE, dict[bytes, bytes])
    late.begin(new.table.board)
    assert late.due() is None
    assert late.done


# ── the sums that come with the key ──

SUMS = InheritedSums(
    ("H1", "H2", "H3"),
    (InheritedStart("model", bytes(32)),),
    (InheritedSum("cardio/1", 0, (0, 1, 2)),),
)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Sequence[bytes]:
    monkeypatch.setattr(inherited_sums, "PART_BYTES", 30)
    return SUMS.parts()


def noted(parts: Sequence[bytes]) -> InheritedFrom:
    return InheritedFrom.of(handed().table.board, handed().handover, parts)


def test_the_sums_lie_beside_the_note(tmp_path: Path, parts: Sequence[bytes]) -> None:
    assert inherited_parts(tmp_path) == {}
    note_inherited(tmp_path, noted(parts), parts)
    found = inherited_from(tmp_path)
    assert found is not None
    assert [inherited_parts(tmp_path)[name] for name in found.sums] == list(parts)


def test_members_put_the_sums_on_the_board_each_part_once(
    hall: Hall, parts: Sequence[bytes]
) -> None:
    tasks = {i: task_of(i, noted(parts), parts) for i in (1, 2, 3)}
    for i, task in tasks.items():
        hall.come(i, task)
    hall.talk()
    bodies = [posted.post.body for posted in hall.service.board.session(SESSION)]
    put = [body for body in bodies if isinstance(body, InheritedPart)]
    assert sorted(one.number for one in put) == list(range(len(parts)))
    assert hall.service.board.key.inheritance.sums == SUMS
    assert all(task.done for task in tasks.values())


def test_one_that_has_them_is_enough_and_without_any_the_key_does_not_count(
    hall: Hall, parts: Sequence[bytes]
) -> None:
    tasks = {i: task_of(i, noted(parts)) for i in (1, 2, 3)}  # what lay there is damaged
    for i, task in tasks.items():
        hall.come(i, task)
    hall.talk()
    assert hall.service.epoch is None
    assert not any(task.done for task in tasks.values())
    waiting = inheritance_waiting(hall.service.board)
    assert waiting is not None
    assert (waiting.members, waiting.facts["needed"]) == ((1, 2, 3), 1)
    hall.come(4, task_of(4, noted(parts), parts))
    hall.talk()
    assert hall.service.epoch == handed().new_epoch


def test_who_has_other_sums_does_not_make_the_key_count(hall: Hall, parts: Sequence[bytes]) -> None:
    for i in (1, 2):
        hall.come(i, task_of(i, noted(parts), parts))
    hall.come(3, task_of(3))
    hall.talk()
    assert hall.service.board.key.inheritance.counted is None


# ── who does it, and what is said meanwhile ──


def member(home: Path, index: int = 1, note: InheritedFrom | None = NOTE) -> Membership:
    found = member_at(home, index, TOY)
    if note is not None:
        note_inherited(found.folder, note)
    return found


def due(found: Membership, board: Any, keys: KeyRing | None) -> list[str]:
    return [one.session for one in due_tasks(board, found, keys, 0, lambda *_: [])]


def test_an_agent_that_stays_says_it_by_itself_until_the_key_counts(tmp_path: Path) -> None:
    found, new = member(tmp_path / "home"), InheritedKey(handed())
    board, keys = new.table.board, found.settled_keys()
    assert due(found, board, keys) == [SESSION]
    assert due(found, board, None) == []
    new.say_all([1, 2])
    assert due(found, board, keys) == [SESSION]
    new.say(3)
    assert due(found, board, keys) == []


def test_it_is_due_after_the_key_counts_if_the_word_is_missing(tmp_path: Path) -> None:
    found, new = member(tmp_path / "home"), InheritedKey(handed()).say_all([2, 3, 4])
    assert due(found, new.table.board, found.settled_keys()) == [SESSION]
    restored = member(tmp_path / "restored", note=None)
    assert due(restored, new.table.board, restored.settled_keys()) == []


async def test_a_lone_command_has_it_beside_its_own_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Tasks] = []

    class NoSession:
        def __init__(self, agent: Any, *rest: Any, **more: Any) -> None:
            made.append(agent.tasks)

        async def work(self) -> None:
            return None

    monkeypatch.setattr("participant.hospital.at_work.Session", NoSession)
    work = AtWork(member(tmp_path / "home"))
    lone = task_of(1)
    await work.work_on(lambda: lone, None, Notices())
    beside = [reader.task for reader in made[0].readers]
    assert beside[0] is lone
    assert isinstance(beside[-1], InheritanceTask)


def test_without_a_share_or_under_other_terms_there_is_nothing_to_say(tmp_path: Path) -> None:
    found = member(tmp_path / "home")
    assert inheritance_task(found) is not None
    found.vault.retire_key_share(handed().new_epoch.number)
    assert inheritance_task(found) is None
    assert inheritance_task(member_at(tmp_path / "old", 1, toy_epoch(3, 2))) is None


def test_whatever_a_command_does_it_waits_for_the_key(hall: Hall) -> None:
    agent = hall.come(1, KeyCheckTask(TOY.federation.terms, ring_in(TOY, 1), hall.time_ms))
    hall.talk()
    session = Session(agent, hall.federation.keys[1], None, Notices(), None)  # type: ignore[arg-type]
    session._no_link = ""
    assert session.waiting.kind == "inheritance"
    for i in (2, 3, 4):
        hall.come(i, task_of(i))
    hall.talk()
    assert session.waiting.kind == "check"


def test_people_read_whom_the_key_waits_for() -> None:
    new = InheritedKey(handed())
    new.say(2)
    waiting = inheritance_waiting(new.table.board)
    assert waiting is not None
    assert (waiting.members, waiting.facts["needed"]) == ((1, 3, 4), 2)
    context = Context(terms=new.federation.terms)
    line = waiting_line(waiting, 60, 1, context)
    assert line.startswith("Waiting for 2 of this hospital, H1, G2 for 1:00 min: word that they")
    assert "key check --together" in line
    new.say_all([1, 3])
    assert inheritance_waiting(new.table.board) is None
    assert inheritance_waiting(toy_epoch(3, 2).table.board) is None
