"""A round under the hybrid suite: who is in its sum, and that it is their sum."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from aggregator.errors import StoreDamaged
from aggregator.rounds import summing
from aggregator.rounds.omission import TOO_NEAR, WITHDRAWN
from aggregator.status.text import render
from keyshare.steps import Steps
from protocol.messages.attachment import attach, blob_name
from protocol.messages.rounds import Contribution, SetLock
from protocol.wire.frames import Accepted, Declined, Submit
from tests.stage.desk import SECONDS, Desk, code, federation
from tests.stage.rounds.served_hybrid import LENGTH, Hospitals, Made, hybrid_desk, work
from tests.stage.studies import SESSION

pytestmark = pytest.mark.usefixtures("short_chunks")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = hybrid_desk(tmp_path)
    desk.open_training(length=LENGTH)
    return desk


@pytest.fixture
def hospitals(desk: Desk) -> Hospitals:
    return Hospitals(desk)


def reason(desk: Desk, member: int) -> str:
    return desk.service.summing.left_out[SESSION][member].detail


# ── posts and their chunks ──


def test_a_post_waits_for_its_chunks(desk: Desk, hospitals: Hospitals) -> None:
    made = hospitals.make(1)
    for blob in made.blobs[1:]:
        desk.upload(1, blob)
    signed = desk.sign(1, SESSION, made.body)
    assert code(desk.ask(1, Submit(signed))) == "awaited-blob"
    desk.upload(1, made.chunks[0])
    assert isinstance(desk.ask(1, Submit(signed)), Accepted)


def test_a_missing_chunk_is_noticed_at_the_start(desk: Desk, hospitals: Hospitals) -> None:
    name = hospitals.contribute(1).body.vector[1].hex()
    (desk.folder / "blobs" / name[:2] / name).unlink()
    desk.service.close()
    with pytest.raises(StoreDamaged, match=name):
        desk.restart()


# ── sums ──


def test_the_sum_is_the_integers_sum(desk: Desk, hospitals: Hospitals) -> None:
    made = hospitals.fill(3, 1, 2, 4)
    assert work(desk)
    assert desk.contributors(SESSION) == [1, 2, 3, 4]
    closing = desk.closing(SESSION)
    assert closing is not None
    assert len(closing.vector) == 3
    assert (hospitals.opened_sum() == sum(m.values for m in made)).all()
    assert not any((desk.folder / "sums").iterdir())
    desk.service.close()
    desk.restart()
    assert not work(desk)


def test_what_has_come_is_added_before_the_round_is_due(desk: Desk, hospitals: Hospitals) -> None:
    assert not work(desk)
    hospitals.contribute(2)
    assert work(desk)
    found = desk.service.status({})["rounds"][-1]  # type: ignore[index]
    assert (found["suite"], found["chunks_summed"], found["chunks"]) == ("hybrid", 3, 3)
    assert "missing: H1, H3, H4; hybrid, 3 of 3 chunks summed" in "\n".join(
        render(desk.service.status({}), None)
    )
    assert not work(desk)
    hospitals.fill(1, 4)
    assert work(desk, SECONDS)
    assert desk.contributors(SESSION) == [1, 2, 4]


def test_a_tick_does_a_bounded_part(
    desk: Desk, hospitals: Hospitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.rounds.summing._TICK_STEPS", 1)
    hospitals.fill()
    assert work(desk) == 4 + 3 + 3  # judged, added, kept
    assert desk.contributors(SESSION) == [1, 2, 3, 4]


def test_who_comes_when_the_sum_is_being_completed_is_not_in_it(
    desk: Desk, hospitals: Hospitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.rounds.summing._TICK_STEPS", 1)
    made = hospitals.fill(1, 2, 4)
    desk.wait()
    for _ in range(4):  # the others judged, the set chosen, a chunk of three added
        assert desk.service.tick()
    hospitals.contribute(3)
    work(desk)
    assert desk.contributors(SESSION) == [1, 2, 4]
    assert (hospitals.opened_sum() == sum(m.values for m in made)).all()
    assert "being completed" in reason(desk, 3)


def test_too_few_fit_contributions_wait(desk: Desk, hospitals: Hospitals) -> None:
    made = hospitals.contribute(1)
    hospitals.post(2, made)
    hospitals.contribute(4)
    work(desk, 10 * SECONDS)
    assert desk.closing(SESSION) is None
    assert not work(desk, SECONDS)
    hospitals.contribute(3)
    work(desk)
    assert desk.contributors(SESSION) == [1, 3, 4]


# ── who is left out ──


def with_payload(made: Made, payload: bytes) -> Made:
    body = msgspec.structs.replace(made.body, ciphertexts=attach(payload))
    return replace(made, body=body, payload=payload)


def with_other_opening(made: Made) -> Made:
    return replace(made, body=msgspec.structs.replace(made.body, opening=bytes(32)))


Unfit = Callable[[Made, Hospitals], Made]
UNFIT: dict[str, tuple[Unfit, str]] = {
    "copied chunk": (
        lambda own, all_: own.with_chunks(all_.make(1).chunks[0], *own.chunks[1:]),
        "repeats one of H1's",
    ),
    "repeated chunk": (
        lambda own, _: own.with_chunks(own.chunks[0], own.chunks[0], own.chunks[2]),
        "twice",
    ),
    "short chunk": (
        lambda own, _: own.with_chunks(own.chunks[0][:-6], *own.chunks[1:]),
        "bytes instead of",
    ),
    "too few chunks": (lambda own, _: own.with_chunks(*own.chunks[:-1]), "2 chunks instead of 3"),
    "no vector": (lambda own, _: own.with_chunks(), "0 chunks instead of 3"),
    "chunk of the right size, to which the proof is not bound": (
        lambda own, _: own.with_chunks(bytes(len(own.chunks[0])), *own.chunks[1:]),
        "proof",
    ),
    "another's proof": (lambda _, all_: all_.make(2, prover=3), "proof"),
    "copied ciphertexts": (
        lambda own, all_: with_payload(own, all_.make(1).payload),
        "repeats one of H1's",
    ),
    "garbage": (lambda own, _: with_payload(own, b"garbage"), ""),
    "other opening": (lambda own, _: with_other_opening(own), "another opening"),
}


@pytest.mark.parametrize(("unfit", "why"), UNFIT.values(), ids=UNFIT)
def test_what_hospitals_would_refuse_is_left_out(
    desk: Desk, hospitals: Hospitals, unfit: Unfit, why: str
) -> None:
    first = hospitals.contribute(1)
    hospitals.post(2, unfit(hospitals.make(2), hospitals))
    work(desk)
    assert list(desk.service.rounds.views[SESSION].omissions) == [2]  # before the round is closed
    others = hospitals.fill(3, 4)
    assert work(desk)
    assert desk.contributors(SESSION) == [1, 3, 4]
    assert why in reason(desk, 2)
    assert (hospitals.opened_sum() == first.values + sum(m.values for m in others)).all()


def test_who_copies_first_and_is_left_out_keeps_nobody_out(
    desk: Desk, hospitals: Hospitals
) -> None:
    copied = hospitals.make(1)
    hospitals.post(2, hospitals.make(2).with_chunks(*copied.chunks))  # its proof is not of these
    assert work(desk)
    hospitals.post(1, copied)
    hospitals.fill(3, 4)
    work(desk)
    assert desk.contributors(SESSION) == [1, 3, 4]


def test_each_contribution_is_judged_once(
    desk: Desk, hospitals: Hospitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []

    def check(
        encrypted: object, body: object, session: str, member: int, key: object
    ) -> Steps[None]:
        judged.append(member)
        yield

    monkeypatch.setattr("aggregator.rounds.sums.check_proof_in_steps", check)
    for member in (2, 1):
        hospitals.contribute(member)
        work(desk)
        work(desk, 1)
    assert judged == [2, 1]


def test_a_vector_in_a_round_of_packed_weights_is_declined(tmp_path: Path) -> None:
    """What a post names is kept for good, so that its size is looked at before it is taken."""
    desk = Desk(tmp_path, federation(n=4))
    desk.open_training()
    view = desk.service.rounds.views[SESSION]
    assert view.opening is not None
    body = Contribution(view.opening.digest, attach(desk.payload(SESSION)), (blob_name(b"c"),))
    desk.upload(2, b"c")
    answer = desk.ask(2, Submit(desk.sign(2, SESSION, body)))
    assert isinstance(answer, Declined)
    assert "a vector of 1 chunks, where the round has 0" in answer.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda chunks: [*chunks, b"one more"], "a vector of 4 chunks, where the round has 3"),
        (lambda chunks: [chunks[0] + b"x", *chunks[1:]], "a chunk of {} bytes"),
    ],
    ids=["too many", "too large"],
)
def test_a_chunk_too_many_or_too_large_is_declined_and_kept_by_nobody(
    desk: Desk, hospitals: Hospitals, change: Callable[[Sequence[bytes]], list[bytes]], reason: str
) -> None:
    made = hospitals.make(2)
    changed = made.with_chunks(*change(made.chunks))
    for blob in changed.blobs:
        desk.upload(2, blob)
    answer = desk.ask(2, Submit(desk.sign(2, SESSION, changed.body)))
    assert isinstance(answer, Declined)
    assert reason.format(len(changed.chunks[0])) in answer.reason


# ── who withdraws ──


@pytest.mark.parametrize("steps", [1, 4, 6, 8, 9])
def test_who_withdraws_while_the_sum_is_made_is_not_in_it(
    desk: Desk, hospitals: Hospitals, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr("aggregator.rounds.summing._TICK_STEPS", 1)
    made = hospitals.fill(1, 2, 3, 4)
    for _ in range(steps):
        desk.service.tick()
    assert not desk.closing(SESSION)
    desk.withdraw(desk.study(SESSION), 2)
    work(desk)
    assert desk.contributors(SESSION) == [1, 3, 4]
    others = [made[0], *made[2:]]
    assert (hospitals.opened_sum() == sum(m.values for m in others)).all()
    assert desk.service.summing.left_out[SESSION] == {2: WITHDRAWN}


# ── after a void round ──


def open_already(desk: Desk, *members: int) -> None:
    """A sum over these members may be open, of another study from the same model."""
    session = desk.open_training(name="before", suite="paillier")
    desk.fill(session, *members)
    work(desk, SECONDS)
    chosen = desk.service.rounds.views[session].chosen(desk.federation.terms.federation)
    assert chosen is not None
    desk.say(1, session, SetLock(chosen))


def test_a_sum_that_hospitals_would_refuse_is_not_begun(desk: Desk, hospitals: Hospitals) -> None:
    open_already(desk, 1, 2, 3, 4)
    made = hospitals.fill(1, 2, 4)
    work(desk, 10 * SECONDS)
    assert desk.closing(SESSION) is None
    made.append(hospitals.contribute(3))
    work(desk)
    assert desk.contributors(SESSION) == [1, 2, 3, 4]
    assert (hospitals.opened_sum() == sum(m.values for m in made)).all()


def test_whoever_was_not_in_the_open_sum_is_left_out(desk: Desk, hospitals: Hospitals) -> None:
    open_already(desk, 1, 2, 4)
    made = hospitals.fill(3, 1, 2, 4)
    work(desk)
    assert desk.contributors(SESSION) == [1, 2, 4]
    assert (hospitals.opened_sum() == sum(m.values for m in made[1:])).all()
    assert reason(desk, 3) == TOO_NEAR.detail


def test_a_round_that_is_given_up_leaves_no_sum_behind(desk: Desk, hospitals: Hospitals) -> None:
    hospitals.fill(1, 2)
    work(desk)
    assert list(desk.folder.rglob("sums/study-cardio-1"))
    desk.service.summing.held_back[SESSION] = frozenset({3})
    desk.state(SESSION, [1, 2, 4], model=b"o" * 32, length=LENGTH)  # another model begins
    work(desk, SECONDS)
    assert "study/cardio/2" in desk.service.rounds.views
    assert not list(desk.folder.rglob("sums/study-cardio-1"))
    assert SESSION not in desk.service.summing._hybrid
    assert SESSION not in desk.service.summing.held_back


def test_nobody_is_waited_for_while_the_sum_is_made(
    desk: Desk, hospitals: Hospitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospitals.fill(1, 2, 3, 4)
    monkeypatch.setattr(summing, "_TICK_STEPS", 1)
    desk.service.tick()
    desk.service.summing.held_back[SESSION] = frozenset({4})  # as before the last one came
    found = desk.service.summing._hybrid[SESSION]
    while not found.is_decided:
        assert desk.service.tick()
    assert desk.closing(SESSION) is None
    assert desk.service.summing.held_back == {}


def test_a_round_with_contributions_to_judge_is_not_called_held_back(
    desk: Desk, hospitals: Hospitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospitals.fill(1, 2, 3, 4)
    desk.time_ms += 1_000 * SECONDS
    monkeypatch.setattr(summing, "_TICK_STEPS", 1)
    while desk.service.rounds.views[SESSION].closing is None:
        assert desk.service.tick()
        assert not desk.service.summing.held_back
