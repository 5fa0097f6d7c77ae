"""A hospital's machine is set back to an image from before a handover, and starts again.

The image has the old key share, which is one more for whoever collects a quorum of them. The new
one is not in it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from participant.errors import RetiredShare
from participant.handover import NewShareLost, is_at_work
from tests.stage.handover.refreshes import Refresh, decrypts
from tests.stage.toy import toy_epoch

TOY = toy_epoch(3, 2)
SET_BACK = 3


@pytest.fixture
def hall(tmp_path: Path) -> Refresh:
    return Refresh(tmp_path / "aggregator", federation=TOY.federation).homes(tmp_path)


def refresh(hall: Refresh) -> None:
    hall.later_ms += 3_600_000
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()


def set_back_over(hall: Refresh, refreshes: int, image: Path) -> None:
    """The folder is as it was so many refreshes ago, and so is what the machine remembers."""
    member = hall.members[SET_BACK]
    shutil.copytree(member.folder, image)
    for _ in range(refreshes):
        refresh(hall)
    shutil.rmtree(member.folder)
    shutil.copytree(image, member.folder)
    assert member.vault.epochs() == [1]


def starts_again(hall: Refresh) -> None:
    last = hall.service.board.key.handovers.last
    assert last is not None
    if is_at_work(last, hall.members[SET_BACK]):
        hall.take_part(SET_BACK, wishes=False)
        hall.talk()


@pytest.mark.parametrize("refreshes", [1, 2])
def test_the_old_share_is_erased_there_too_and_its_people_are_told(
    hall: Refresh, tmp_path: Path, refreshes: int
) -> None:
    set_back_over(hall, refreshes, tmp_path / "image")
    with pytest.raises(NewShareLost):
        starts_again(hall)
    member = hall.members[SET_BACK]
    assert member.vault.epochs() == []
    with pytest.raises(RetiredShare):
        member.vault.read_key_share(1, member.passphrase)
    starts_again(hall)  # it is told once
    assert decrypts(hall.held(1), hall.held(2))


def test_the_next_refresh_gives_it_a_share_again(hall: Refresh, tmp_path: Path) -> None:
    set_back_over(hall, 1, tmp_path / "image")
    with pytest.raises(NewShareLost):
        starts_again(hall)
    refresh(hall)
    assert hall.newest.number == 3
    assert decrypts(hall.held(SET_BACK), hall.held(1))
