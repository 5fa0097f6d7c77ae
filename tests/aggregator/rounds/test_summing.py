"""When rounds close, over which contributions, and with which sum."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from gmpy2 import mpz

from protocol.messages.attachment import attach
from protocol.messages.rounds import Closing, Contribution, Statement
from protocol.rounds.ciphertexts import Encrypted, read_ciphertexts
from protocol.wire.frames import Declined, Submit
from tests.stage.desk import MODEL, SECONDS, Desk, federation


def product(desk: Desk, payloads: Sequence[bytes], session: str) -> Encrypted:
    """The sum, by multiplication alone."""
    n = mpz(int.from_bytes(desk.epoch.n, "big"))
    opening, study = desk.opening(session), desk.study(session)
    found = [read_ciphertexts(p, opening, study, n) for p in payloads]
    values = []
    for column in zip(*(f.values for f in found), strict=True):
        total = mpz(1)
        for value in column:
            total = total * value % (n * n)
        values.append(total)
    return Encrypted(tuple(values))


def total(desk: Desk, session: str) -> Encrypted:
    closing = desk.closing(session)
    assert closing is not None
    payload = desk.service._blobs.payload(closing.total)
    n = mpz(int.from_bytes(desk.epoch.n, "big"))
    return read_ciphertexts(payload, desk.opening(session), desk.study(session), n)


@pytest.mark.parametrize("length", [5, 700])
def test_a_round_closes_at_once_with_all_contributions_and_their_sum(
    desk: Desk, length: int
) -> None:
    desk.open_training(length=length)
    payloads = []
    for member in (3, 1, 2, 4):
        assert not desk.wait(0)
        payloads.append(desk.contribute(member, "study/cardio/1"))
    assert desk.wait(0)
    assert desk.contributors("study/cardio/1") == [1, 2, 3, 4]
    assert total(desk, "study/cardio/1") == product(desk, payloads, "study/cardio/1")
    assert not desk.wait(0)


def test_a_round_closes_without_one_member_when_it_was_waited_for(desk: Desk) -> None:
    desk.open_training()
    desk.fill("study/cardio/1", 1, 4)
    assert not desk.wait(10 * SECONDS)
    desk.contribute(2, "study/cardio/1")
    assert desk.wait(0)
    assert desk.contributors("study/cardio/1") == [1, 2, 4]


def test_of_three_hospitals_all_are_waited_for(tmp_path: Path) -> None:
    """However long, and whatever a plan asks for: of two each reads the other."""
    desk = Desk(tmp_path, federation())
    session = desk.open_statistic()
    desk.found_training()
    desk.state("study/cardio/0", [1, 2])
    assert not desk.wait(100 * SECONDS)
    desk.state("study/cardio/0", [3])
    assert desk.wait(0)
    for each in (session, "study/cardio/1"):
        desk.fill(each, 1, 2)
        assert not desk.wait(100 * SECONDS)
    for each in (session, "study/cardio/1"):
        desk.contribute(3, each)
        assert desk.wait(0)
        assert desk.contributors(each) == [1, 2, 3]


def test_waiting_counts_from_the_opening_also_after_a_restart(desk: Desk) -> None:
    desk.open_training()
    desk.fill("study/cardio/1", 1, 2, 4)
    assert not desk.wait(SECONDS - 1)
    desk.restart()
    assert not desk.wait(0)
    assert desk.wait(1)


def test_each_study_waits_as_long_as_its_plan_says(desk: Desk) -> None:
    desk.open_training(seconds=1_000)
    session = desk.open_statistic(seconds=5)
    desk.fill("study/cardio/1", 1, 2, 4)
    payloads = desk.fill(session, 1, 2, 4)
    assert not desk.wait(4)
    assert desk.wait(1)
    assert total(desk, session) == product(desk, payloads, session)
    assert not desk.closing("study/cardio/1")
    assert desk.wait(995)


def test_a_contribution_after_the_closing_is_not_in_the_sum(desk: Desk) -> None:
    desk.open_training()
    desk.fill("study/cardio/1", 1, 2, 4)
    assert desk.wait()
    desk.contribute(3, "study/cardio/1")
    assert not desk.wait()
    assert desk.contributors("study/cardio/1") == [1, 2, 4]
    closings = [p for p in desk.service.board.entries if isinstance(p.post.body, Closing)]
    assert len(closings) == 1


def test_the_closing_names_the_posts_that_it_added(desk: Desk) -> None:
    desk.open_training()
    desk.fill("study/cardio/1")
    desk.wait()
    closing, view = desk.closing("study/cardio/1"), desk.service.rounds.views["study/cardio/1"]
    assert closing is not None
    for contributor in closing.contributors:
        assert contributor.contribution == view.contributions[contributor.member].digest


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: replace(e, values=e.values[1:]), "numbers"),
        (lambda e: replace(e, values=(mpz(0), *e.values[1:])), "range"),
        (lambda e: replace(e, values=e.values[:1] * len(e.values)), "twice"),
        (lambda e: replace(e, proof=None), "proof"),
        (lambda e: replace(e, values=e.values[::-1]), "proof"),
    ],
    ids=["one too few", "a zero", "the first repeated", "no proof", "in another order"],
)
def test_a_contribution_that_hospitals_would_refuse_is_left_out_and_named(
    desk: Desk, change: Callable[[Encrypted], Encrypted], reason: str
) -> None:
    desk.open_training(length=20)
    desk.contribute(2, "study/cardio/1", desk.payload("study/cardio/1", 2, change))
    desk.fill("study/cardio/1", 1, 3, 4)
    assert desk.wait(0)
    assert desk.contributors("study/cardio/1") == [1, 3, 4]
    assert reason in desk.service.summing.left_out["study/cardio/1"][2].detail


def test_a_proof_that_another_member_made_is_left_out(desk: Desk) -> None:
    desk.open_training()
    desk.contribute(2, "study/cardio/1", desk.payload("study/cardio/1", 3))
    desk.fill("study/cardio/1", 1, 3, 4)
    assert desk.wait(0)
    assert desk.contributors("study/cardio/1") == [1, 3, 4]
    assert "proof" in desk.service.summing.left_out["study/cardio/1"][2].detail


def test_somebody_elses_ciphertexts_are_left_out_and_not_the_originals(desk: Desk) -> None:
    desk.open_training()
    payload = desk.contribute(2, "study/cardio/1")
    desk.contribute(1, "study/cardio/1", payload)
    desk.fill("study/cardio/1", 3, 4)
    assert desk.wait(0)
    assert desk.contributors("study/cardio/1") == [2, 3, 4]
    assert "H2" in desk.service.summing.left_out["study/cardio/1"][1].detail


def test_a_copy_that_comes_first_and_is_left_out_keeps_the_original_in(desk: Desk) -> None:
    desk.open_training()
    payload = desk.payload("study/cardio/1", 2)
    desk.contribute(1, "study/cardio/1", payload)
    for member in (2, 3, 4):
        desk.contribute(member, "study/cardio/1", payload if member == 2 else None)
    assert desk.wait(0)
    assert desk.contributors("study/cardio/1") == [2, 3, 4]


def test_garbage_and_contributions_to_another_opening_are_left_out(desk: Desk) -> None:
    desk.open_training()
    desk.contribute(1, "study/cardio/1", b"garbage")
    desk.say(2, "study/cardio/1", Contribution(bytes(32), attach(desk.payload("study/cardio/1"))))
    desk.fill("study/cardio/1", 3, 4)
    desk.wait(10 * SECONDS)
    assert desk.closing("study/cardio/1") is None  # two of four are too few to be added
    assert set(desk.service.summing.left_out["study/cardio/1"]) == {1, 2}
    assert "opening" in desk.service.summing.left_out["study/cardio/1"][2].detail


def test_a_round_with_too_few_good_contributions_is_not_added_again_and_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open_training()
    desk.contribute(1, "study/cardio/1", b"garbage")
    desk.fill("study/cardio/1", 3, 4)
    desk.wait()
    read = []
    real = desk.service._blobs.payload
    monkeypatch.setattr(desk.service._blobs, "payload", lambda a: read.append(a) or real(a))
    assert not desk.wait(1)
    assert read == []
    desk.contribute(2, "study/cardio/1")
    assert desk.wait(0)
    assert desk.contributors("study/cardio/1") == [2, 3, 4]


def test_one_number_without_proof_does_not_stop_the_others(desk: Desk) -> None:
    session = desk.open_statistic(length=2)
    bare = desk.payload(session, 1, lambda e: replace(e, proof=None))
    desk.contribute(1, session, bare)
    payloads = desk.fill(session, 2, 3, 4)
    assert desk.wait(0)
    assert desk.contributors(session) == [2, 3, 4]
    assert "no fitting proof" in desk.service.summing.left_out[session][1].detail
    assert total(desk, session) == product(desk, payloads, session)


def test_a_statement_cannot_take_the_place_of_a_round(desk: Desk) -> None:
    desk.found_training(rounds=9)
    for member in desk.federation.members:
        signed = desk.sign(member, "study/cardio/7", Statement(MODEL, 5))
        assert isinstance(desk.ask(member, Submit(signed)), Declined)
    assert not desk.wait(10 * SECONDS)
    assert not desk.is_open("study/cardio/8")
