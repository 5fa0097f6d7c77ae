"""Vectors of rounds are deleted once nobody can need them, and no earlier, whoever asks for it."""

import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aggregator.errors import StoreDamaged
from aggregator.rounds import pruning, stated
from aggregator.rounds.stated import StatedModels
from aggregator.server import service as service_module
from aggregator.status.stored import stored_report
from aggregator.status.text import render
from aggregator.store.sqlite import SqliteBoard
from protocol.board.study import DAYS_AFTER_END, Study
from protocol.messages.attachment import blob_name
from protocol.wire.frames import BlobAbsent, BlobChunk, BlobRequest
from tests.stage.desk import Desk
from tests.stage.mortal import OF_THE_AGGREGATOR, survived
from tests.stage.rounds.served_hybrid import hybrid_desk, work

KEEP = 2
PRUNING = (*OF_THE_AGGREGATOR, (SqliteBoard, "prune"), (Path, "unlink"))
DAY = 24 * 3_600
ALL = (1, 2, 3, 4)


def model(number: int) -> bytes:
    """Of the study after a round."""
    return bytes([number]) * 32


@dataclass
class Going:
    """A study of four hospitals whose rounds go on; ``names``: of each round's vectors."""

    desk: Desk
    study: Study
    names: dict[int, list[bytes]] = field(default_factory=dict)

    def contribute(self, number: int, member: int, *chunks: bytes) -> None:
        """To a round, with a vector of these chunks, or of one of its own."""
        session = self.study.round(number)
        blobs = chunks or (b"%d of %d" % (member, number),)
        payload = self.desk.payload(session, member)
        body = self.desk.contribution(member, session, payload)
        body = msgspec.structs.replace(body, vector=tuple(map(blob_name, blobs)))
        attached = [payload] if body.ciphertexts.is_blob else []
        self.desk.say(member, session, body, *blobs, *attached)
        self.names.setdefault(number, []).extend(body.vector)

    def run(self, number: int, *stating: int, **changes: Any) -> None:
        """A round to which all contribute, and whose model these hospitals state, or all."""
        for member in ALL:
            self.contribute(number, member)
        self.state(number, *stating or ALL, **changes)

    def state(self, number: int, *members: int, result: bytes = b"") -> None:
        """And let the next round open, if it can."""
        self.desk.state(self.study.round(number), members, result or model(number))
        work(self.desk)

    def runs(self, last: int, *stating: int) -> None:
        """Rounds up to that one."""
        for number in range(1, last + 1):
            self.run(number, *stating)
            work(self.desk, seconds=self.study.plan.seconds + 1)

    @property
    def kept(self) -> list[int]:
        """The rounds of which all vectors are there; of all others nothing is."""
        there = {n: {self._is_there(name) for name in names} for n, names in self.names.items()}
        assert all(len(found) == 1 for found in there.values()), there
        return [n for n, found in there.items() if found == {True}]

    def _is_there(self, name: bytes) -> bool:
        (answer,) = self.desk.service.receive(1, BlobRequest(name, 0))
        has_file = (self.desk.folder / "blobs" / name.hex()[:2] / name.hex()).exists()
        assert isinstance(answer, BlobChunk) == has_file == self._has_row(name)
        return has_file or answer != BlobAbsent(name)

    def _has_row(self, name: bytes) -> bool:
        return self.desk.service._store.blob_size(name) is not None

    @property
    def told(self) -> str:
        """What the status says of the study."""
        return next(s for s in render(self.desk.service.status({}), None) if "study car" in s)


@pytest.fixture
def going(tmp_path: Path) -> Going:
    return begun(tmp_path)


def begun(folder: Path, **changes: Any) -> Going:
    desk = hybrid_desk(folder)
    study = desk.found_training(**{"rounds": 9, "keep_vectors": KEEP} | changes)
    desk.state(study.round(0), ALL, model(0))
    work(desk)
    return Going(desk, study)


@pytest.fixture(autouse=True)
def _nothing_is_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vectors are no real ones: what is said of the rounds alone counts here."""
    monkeypatch.setattr(service_module.Summing, "step", lambda summing, due: False)


# ── when they go ──


def test_those_of_the_last_rounds_stay_though_all_have_stated(going: Going) -> None:
    going.runs(3)
    assert going.kept == [2, 3]
    assert "behind" not in going.told


def test_a_hospital_that_is_away_finds_the_rounds_after_its_model(going: Going) -> None:
    going.runs(1)
    for number in range(2, 6):
        going.run(number, 1, 2, 3)
        work(going.desk, seconds=going.study.plan.seconds + 1)
    assert going.kept == [1, 2, 3, 4, 5]  # K rounds before the one that it needs, too
    assert "H4 is behind" in going.told
    assert "round 1 and later" in going.told
    going.state(5, 4)
    assert going.kept == [4, 5]
    assert "behind" not in going.told


def test_nobody_fills_the_disk_by_its_silence(
    going: Going, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stated, "AWAY", 2)
    most = 0
    for number in range(1, 8):
        going.run(number, 1, 2, 3)
        work(going.desk, seconds=going.study.plan.seconds + 1)
        most = max(most, len(going.kept))
    assert most == 2 * KEEP
    assert going.kept == [6, 7]  # who is too far behind is waited for no more
    assert "H4 can go on only from another hospital's model" in going.told


def test_who_withdraws_is_waited_for_no_more(going: Going) -> None:
    for number in range(1, 5):
        going.run(number, 1, 2, 3)
        work(going.desk, seconds=going.study.plan.seconds + 1)
    assert going.kept == [1, 2, 3, 4]
    going.desk.withdraw(going.study, 4)
    work(going.desk)
    assert going.kept == [3, 4]


def test_who_approves_late_brings_nothing_back_and_is_told_of(tmp_path: Path) -> None:
    desk = hybrid_desk(tmp_path)
    study = desk.training(rounds=9, keep_vectors=KEEP)
    desk.certify()
    desk.found(study, 1, 2, 3)
    desk.state(study.round(0), (1, 2, 3), model(0))
    work(desk, seconds=study.plan.seconds + 1)
    going = Going(desk, study)
    for number in range(1, 5):
        for member in (1, 2, 3):
            going.contribute(number, member)
        going.state(number, 1, 2, 3)
        work(desk, seconds=study.plan.seconds + 1)
    assert going.kept == [3, 4]
    desk.approve(study, 4)
    desk.restart()
    work(desk)
    assert going.kept == [3, 4]
    assert "H4 can go on only from another hospital's model" in going.told


def test_all_go_some_days_after_the_end_whoever_has_stated_the_last_model(tmp_path: Path) -> None:
    going = begun(tmp_path, rounds=3)
    going.run(1)
    going.run(2)
    going.run(3, 1, 2, 3)
    work(going.desk, seconds=(DAYS_AFTER_END - 1) * DAY)
    going.desk.restart()
    assert going.kept == [1, 2, 3]
    going.state(3, 4)
    assert going.kept == [2, 3]
    going.desk.time_ms += 1_000
    work(going.desk, seconds=DAY)
    assert going.kept == []
    assert "another hospital's model" not in going.told  # all have the last one
    going.desk.restart()  # nothing of them is looked for
    assert not work(going.desk)


def test_who_lacks_the_last_model_is_named_when_all_are_gone(tmp_path: Path) -> None:
    going = begun(tmp_path, rounds=2)
    going.run(1)
    going.run(2, 1, 2, 3)
    work(going.desk, seconds=(DAYS_AFTER_END + 1) * DAY)
    assert going.kept == []
    deleted = "the vectors before round 3 are deleted"
    assert f"; H4 can go on only from another hospital's model: {deleted}" in going.told


def test_a_study_that_ends_by_votes_keeps_what_it_has_for_some_days(going: Going) -> None:
    going.runs(3)
    going.contribute(4, 1)
    going.desk.end(going.study, 1, 2, 3)
    work(going.desk, seconds=(DAYS_AFTER_END - 1) * DAY)
    assert going.kept == [2, 3, 4]
    work(going.desk, seconds=2 * DAY)
    assert going.kept == []


def test_a_study_ends_with_its_federation(going: Going) -> None:
    going.runs(1)
    found = StatedModels(going.desk.service.board.studies, Gone())  # type: ignore[arg-type]
    for posted in going.desk.service.board.entries:
        found.receive(posted)
    assert found.over == []
    last = going.desk.service.board.entries[-1]
    released = msgspec.structs.replace(last.post, session="handover/1")
    found.receive(last._replace(post=released))
    assert found.over == [going.study.name]
    days = DAYS_AFTER_END * DAY * 1_000
    assert not found.is_past(going.study.name, lambda since_ms: days - 1)
    assert found.is_past(going.study.name, lambda since_ms: days)


class Gone:
    """The key is another federation's."""

    successor = "terms"


# ── who can make them go early ──


def test_too_few_make_no_model_of_a_round(going: Going) -> None:
    going.runs(2)
    for number in range(3, 9):
        going.desk.state(going.study.round(3), (3, 4), model(number))
    work(going.desk, seconds=going.study.plan.seconds + 1)
    assert going.kept == [1, 2]  # and of the third none was stated by enough


def test_another_model_is_none_that_the_hospital_can_go_on_from(going: Going) -> None:
    for number in range(1, 4):
        for member in ALL:
            going.contribute(number, member)
        going.desk.state(going.study.round(number), (4,), model(99))
        going.state(number, 1, 2, 3)
        work(going.desk, seconds=going.study.plan.seconds + 1)
    going.state(3, 4, result=model(99))
    assert going.kept == [1, 2, 3]
    assert "H4 is behind" in going.told


def test_too_few_make_no_last_model(tmp_path: Path) -> None:
    going = begun(tmp_path, rounds=1)
    going.run(1, 3, 4)
    work(going.desk, seconds=(DAYS_AFTER_END + 1) * DAY)
    assert going.kept == [1]


def test_a_blob_that_a_kept_round_names_too_stays(going: Going) -> None:
    """Or else who repeats in an old round what another has just contributed would delete it."""
    going.run(1, 1, 2, 3)
    work(going.desk, seconds=going.study.plan.seconds + 1)
    shared = b"of two rounds"
    going.contribute(2, 1, shared)
    for member in (2, 3, 4):
        going.contribute(2, member)
    going.state(2, *ALL)
    going.contribute(3, 1, shared)
    going.names[2].remove(blob_name(shared))
    for member in (2, 3, 4):
        going.contribute(3, member)
    going.state(3, *ALL)
    going.run(4)
    assert going.kept == [3, 4]


def test_a_blob_of_the_record_that_a_vector_names_too_stays(tmp_path: Path) -> None:
    going = begun(tmp_path, rounds=3)
    session = going.study.round(1)
    payload = going.desk.payload(session, 1)
    assert len(payload) > 4_096, "it is a blob"
    going.desk.contribute(1, session, payload)
    going.contribute(1, 2, payload)
    assert going.names.pop(1) == [blob_name(payload)]
    going.state(1, *ALL)
    going.run(2)
    going.run(3)
    work(going.desk, seconds=(DAYS_AFTER_END + 1) * DAY)
    assert going.kept == []
    assert going._is_there(blob_name(payload))


def test_what_is_contributed_to_a_pruned_round_goes_as_well(going: Going) -> None:
    for member in (1, 2, 3):
        going.contribute(1, member)
    going.state(1, *ALL)
    for number in (2, 3, 4):
        going.run(number)
    assert going.kept == [3, 4]
    going.contribute(1, 4)
    work(going.desk)
    assert going.kept == [3, 4]


# ── crashes ──


def test_whoever_dies_while_it_prunes_ends_with_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "_AT_ONCE", 3)
    first = begun(tmp_path / "0")
    first.runs(2)
    for member in ALL:
        first.contribute(3, member)
    first.desk.state(first.study.round(3), ALL[1:], model(3))
    first.desk.service.close()
    dies_at, ended = 1, False
    while not ended:
        folder = tmp_path / str(dies_at)
        shutil.copytree(first.desk.folder, folder)
        going = Going(Desk(folder, first.desk.federation, first.desk.time_ms), first.study)
        going.names = first.names

        def state(at: Going = going) -> None:
            at.state(3, 1)  # opens the fourth round, and the first one's go

        ended = survived(state, dies_at, PRUNING)
        going.desk.service.close()
        going.desk.restart()
        going.desk.time_ms += 1_000
        work(going.desk)
        if not going.desk.is_open(going.study.round(4)):
            state()
        for _ in range(3):  # a file without a row is looked for, and let lie for an hour
            work(going.desk, seconds=3_700)
        assert going.kept == [2, 3]
        going.desk.service.close()
        entries = going.desk.service.board.head.position
        found = stored_report(folder, going.desk.federation.terms, lambda: 10**9)
        assert found["entries"] == entries
        dies_at += 1
    assert dies_at > 10


def test_a_damaged_mark_is_told_of(going: Going) -> None:
    going.runs(3)
    going.desk.service.close()
    database = sqlite3.connect(going.desk.folder / "board.sqlite")
    with database:
        database.execute("UPDATE pruned SET before = 'x'")
    database.close()
    with pytest.raises(StoreDamaged, match="pruned"):
        going.desk.restart()
