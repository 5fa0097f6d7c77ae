"""Samples at rest: sealed, bound to their model, and asked closely no more than so often."""

import random

import numpy as np
import pytest

from participant.model import Layout, Model, checked, sample, sample_of
from participant.pruning import samples
from participant.pruning.samples import SampledModels
from participant.study import Kept
from tests.simulator.disk import Crash, Disk
from tests.stage.toy import model_secret

STUDY, NUMBER, SIZE, BOUND = "cardio", 3, 40_000, 0.5
SECRET = model_secret(1)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "EVENLY", 1 << 10)
    monkeypatch.setattr(sample, "BY_SIZE", 1 << 10)


def model(values: np.ndarray) -> Model:
    entries = {"a": values}
    return Model.of(checked(entries, Layout.of(entries), "initial_parameters"))


def kept_at(disk: Disk) -> Kept:
    """Of the contribution that was made from the model."""
    return Kept(STUDY, NUMBER + 1, b"", BOUND, disk.read)


OLD = model(np.zeros(SIZE))
SAME, OTHER = model(np.full(SIZE, 0.1)), model(np.full(SIZE, 9.0))


def held(disk: Disk, secret: bytes = SECRET) -> SampledModels:
    found = SampledModels(secret, disk)
    found.keep(STUDY, NUMBER, sample_of(OLD))
    return found


def near(found: SampledModels, start: Model, digest: bytes = OLD.digest) -> bool:
    """What cannot be compared is near: participant/training/starts.py."""
    assert isinstance(found.storage, Disk)
    return near_to(found, kept_at(found.storage), start, digest)


def near_to(found: SampledModels, kept: Kept, start: Model, digest: bytes = OLD.digest) -> bool:
    of = found.of(kept, digest)
    return of is None or found.is_near(of, start, BOUND)


def close(k: int) -> Model:
    """A model of which the sample cannot be sure; another one for each k."""
    values = np.zeros(SIZE)
    values[random.Random(k).sample(range(SIZE), SIZE // 2)] = 9.0
    return model(values)


def test_a_sample_knows_its_model_again_after_a_restart() -> None:
    disk = Disk()
    held(disk)
    assert near(SampledModels(SECRET, disk), SAME)
    assert not near(SampledModels(SECRET, disk), OTHER)


def test_what_is_stored_is_sealed() -> None:
    disk = Disk()
    found = held(disk)
    kept = found.kept(STUDY, NUMBER)
    assert kept is not None
    (stored,) = disk.files.values()
    (entry,) = kept.entries
    assert entry.places not in stored
    assert entry.places[:16] not in stored
    assert "secret" not in repr(found)
    assert repr(SECRET) not in repr(found)


def damaged(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("wrong", [b"", b"x", bytes(40), None, damaged])
def test_a_sample_that_does_not_open_is_near_to_all(wrong: object) -> None:
    disk = Disk()
    found = held(disk)
    (name,) = disk.files
    data = disk.files.pop(name)
    if wrong is not None:
        disk.files[name] = wrong(data) if callable(wrong) else wrong  # type: ignore[assignment]
    assert near(found, OTHER)


def test_another_hospitals_sample_does_not_open() -> None:
    disk = Disk()
    held(disk, model_secret(2))
    assert near(SampledModels(SECRET, disk), OTHER)


def test_a_sample_of_another_round_or_model_is_near_to_all() -> None:
    disk = Disk()
    found = held(disk)
    assert near(found, OTHER, digest=SAME.digest)
    (data,) = disk.files.values()
    disk.files = {f"studies/{STUDY}/sample-{NUMBER + 1}": data}
    later = Kept(STUDY, NUMBER + 2, b"", BOUND, disk.read)
    assert found.of(later, OLD.digest) is None


# ── close answers ──


def used_up(disk: Disk, most: int = samples.MOST_CLOSE) -> SampledModels:
    found = held(disk)
    for k in range(most):
        assert not near(found, OTHER)
        near(found, close(k))
    return found


def test_a_sample_that_has_given_enough_close_answers_is_near_to_all() -> None:
    disk = Disk()
    used_up(disk)
    assert near(SampledModels(SECRET, disk), OTHER)


def test_one_close_answer_fewer_leaves_it_as_it_was() -> None:
    found = used_up(Disk(), samples.MOST_CLOSE - 1)
    assert not near(found, OTHER)


def test_the_same_question_again_is_no_other_answer() -> None:
    found = held(Disk())
    said = {near(found, close(1)) for _ in range(2 * samples.MOST_CLOSE)}
    assert len(said) == 1
    assert not near(found, OTHER)


def test_what_is_far_or_near_beyond_doubt_uses_nothing_up() -> None:
    disk = Disk()
    found = held(disk)
    for k in range(2 * samples.MOST_CLOSE):
        near(found, model(np.full(SIZE, 9.0 + k)))
        near(found, model(np.full(SIZE, k / 1_000)))
    assert len(disk.files) == 1
    assert not near(found, OTHER)


def test_a_close_answer_is_counted_durably_before_it_is_given() -> None:
    disk = Disk()
    found = held(disk)
    disk.dies_after(0)  # right before the change
    with pytest.raises(Crash):
        near(found, close(1))
    assert len(disk.files) == 1
    disk.dies_after(1)  # right after it
    with pytest.raises(Crash):
        near(found, close(1))
    assert len(disk.files) == 2


@pytest.mark.parametrize("wrong", [b"x", bytes(17)])
def test_a_damaged_count_is_taken_for_all(wrong: bytes) -> None:
    disk = Disk()
    found = held(disk)
    near(found, close(1))
    (name,) = disk.names("close-answers/")
    disk.write(name, wrong)
    assert near(found, OTHER)


def test_close_answers_count_in_the_next_federation_too() -> None:
    old, new = Disk(), Disk()
    found = used_up(old)
    found.carry_over(new)
    later = SampledModels(SECRET, new)
    assert near_to(later, kept_at(old), OTHER)


def test_carrying_them_over_again_takes_none_back() -> None:
    old, new = Disk(), Disk()
    found, later = used_up(old, 1), SampledModels(SECRET, new)
    found.carry_over(new)
    near_to(later, kept_at(old), close(7))
    (said,) = new.files.values()
    found.carry_over(new)
    assert list(new.files.values()) == [said]
    assert len(said) == 2 * 16
