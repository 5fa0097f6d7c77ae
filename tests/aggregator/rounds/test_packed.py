"""Long lists of ciphertexts beside the members' frames: judged and added in small steps."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gmpy2 import mpz

from aggregator.rounds.omission import TOO_LATE, WITHDRAWN, Reason
from aggregator.rounds.seen_ciphertexts import SeenCiphertexts
from aggregator.rounds.sums import sum_in_steps
from keyshare.proofs.plaintext_proof import verify_in_steps
from keyshare.steps import NUMBERS_A_STEP, Steps, finish
from protocol.rounds.ciphertexts import (
    EncryptionKey,
    multiply_in_steps,
    read_ciphertexts,
    read_in_steps,
)
from protocol.wire.frames import StatusReport, StatusRequest, Subscribe
from tests.aggregator.rounds.test_summing import product, total
from tests.stage.caller import PATIENCE, serving, until
from tests.stage.desk import Desk, federation
from tests.stage.studies import SESSION

LONG = 2 * NUMBERS_A_STEP + 1


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A service that takes one step at each tick."""
    monkeypatch.setattr("aggregator.rounds.summing._TICK_SECONDS", 0.0)
    desk = Desk(tmp_path, federation(n=4))
    yield desk
    desk.service.close()


def asked(desk: Desk, name: str, length: int) -> str:
    study = desk.found(desk.statistic(name, length, data=name))
    desk.service.tick()
    return study.round(1)


def filled(desk: Desk, name: str, length: int) -> tuple[str, list[bytes]]:
    """A statistic with all contributions."""
    session = asked(desk, name, length)
    return session, desk.fill(session)


def ticks(desk: Desk, session: str) -> int:
    """How many it takes until a round is closed."""
    for count in range(1_000):
        if desk.closing(session):
            return count
        desk.service.tick()
    raise AssertionError(f"{session} stays open")


def is_sum(desk: Desk, session: str, payloads: list[bytes]) -> bool:
    return total(desk, session) == product(desk, payloads, session)


def key_of(desk: Desk) -> EncryptionKey:
    return EncryptionKey.of(desk.epoch)


# ── members are answered in between ──


async def test_members_are_answered_while_one_contribution_is_judged(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here its proof is one that takes until somebody was answered."""
    desk.certify()
    session, _ = filled(desk, "age", 1)
    begun, answered = threading.Event(), threading.Event()
    in_vain = []

    def endless(*_: object) -> Steps[None]:
        begun.set()
        end = time.monotonic() + PATIENCE
        while not answered.is_set():
            yield
            if time.monotonic() > end:
                in_vain.append(True)
                return

    monkeypatch.setattr("aggregator.rounds.sums.check_proof_in_steps", endless)
    async with serving(desk) as service, service.member(1, purpose="status") as line:
        await until(begun.is_set)
        await line.say(StatusRequest())
        assert isinstance(await line.hear(), StatusReport)
        answered.set()
        async with service.member(2) as other:
            await other.ask(Subscribe(0))
        await until(lambda: desk.closing(session) is not None)
        await asyncio.sleep(0)
    assert not in_vain


def test_no_step_works_on_more_numbers_than_one_may(desk: Desk) -> None:
    desk.certify()
    session, payloads = filled(desk, "age", LONG)
    opening, study, key = desk.opening(session), desk.study(session), key_of(desk)
    n = key.encryptor.n
    found = read_ciphertexts(payloads[0], opening, study, n)
    assert found.proof is not None
    rests: dict[str, tuple[Steps[object], int]] = {  # LONG numbers take three steps
        "read": (read_in_steps(payloads[0], opening, study, n), 1 + 3),
        "compared": (SeenCiphertexts(study.terms).take(1, found.values), 3),
        "verified": (verify_in_steps(found.proof, found.values, key.encryptor, b""), 3 + 3 + 2),
        "added": (multiply_in_steps(list(found.values), found.values, n), 3),
        "read, and added": (sum_in_steps(payloads[:2], opening, study, n), 2 * (1 + 4) + 3 + 1),
    }
    for name, (steps, count) in rests.items():
        assert len(list(steps)) == count, name


def test_a_long_statistic_takes_many_ticks_and_its_sum_is_the_product(desk: Desk) -> None:
    desk.certify()
    session, payloads = filled(desk, "age", LONG)
    few = len(payloads) * 6 * (LONG // NUMBERS_A_STEP)  # as many times as the numbers are seen
    assert ticks(desk, session) > few
    assert is_sum(desk, session, payloads)
    assert not desk.service.tick()


@pytest.mark.parametrize("count", [1, 30, 60, 90])
def test_a_service_that_dies_between_two_steps_judges_again(desk: Desk, count: int) -> None:
    desk.certify()
    session, payloads = filled(desk, "age", LONG)
    for _ in range(count):
        assert desk.service.tick()
    assert desk.closing(session) is None
    desk.service.close()
    desk.restart()
    ticks(desk, session)
    assert is_sum(desk, session, payloads)


# ── one at a time ──


def test_a_long_statistic_keeps_no_training_round_waiting(desk: Desk) -> None:
    desk.open_training()
    long, _ = filled(desk, "age", LONG)
    for _ in range(3):
        desk.service.tick()
    desk.fill(SESSION)
    ticks(desk, SESSION)
    assert desk.closing(long) is None
    ticks(desk, long)


def at_work(desk: Desk) -> list[str]:
    """The rounds that are begun."""
    return [s for s, one in desk.service.summing._packed.items() if one.is_at_work]


def test_many_short_rounds_keep_no_long_one_waiting(desk: Desk) -> None:
    desk.certify()
    long, _ = filled(desk, "long", LONG)
    desk.service.tick()
    short = [filled(desk, f"short-{k}", 17)[0] for k in range(3)]
    ticks(desk, long)
    assert not all(map(desk.closing, short))


def test_of_rounds_of_about_one_length_one_alone_is_begun_and_the_older_first(desk: Desk) -> None:
    desk.certify()
    begun, _ = filled(desk, "begun", LONG)
    desk.service.tick()
    later = [filled(desk, f"of-{length}", length)[0] for length in (LONG, LONG - 1)]
    closed = list[str]()
    for _ in range(1_000):
        assert len(at_work(desk)) <= 1
        desk.service.tick()
        closed += [s for s in (begun, *later) if s not in closed and desk.closing(s)]
    assert closed == [begun, *later]


# ── who withdraws ──


@pytest.mark.parametrize("count", [1, 30, 60, 90])
def test_who_withdraws_while_the_sum_is_made_is_not_in_it(desk: Desk, count: int) -> None:
    desk.certify()
    session, payloads = filled(desk, "age", LONG)
    for _ in range(count):
        assert desk.service.tick()
    desk.withdraw(desk.study(session), 2)
    ticks(desk, session)
    assert desk.contributors(session) == [1, 3, 4]
    assert is_sum(desk, session, [payloads[0], *payloads[2:]])
    assert desk.service.summing.left_out[session] == {2: WITHDRAWN}


def test_who_withdraws_and_approves_again_before_the_closing_is_in_the_sum(desk: Desk) -> None:
    desk.certify()
    session, payloads = filled(desk, "age", LONG)
    found = None
    while found is None or not found.is_decided:
        desk.service.tick()
        found = desk.service.summing._packed[session]
    desk.withdraw(desk.study(session), 2)
    desk.service.tick()
    desk.approve(desk.study(session), 2)
    ticks(desk, session)
    assert is_sum(desk, session, payloads[:1] + payloads[2:]) or is_sum(desk, session, payloads)


def test_a_sum_of_which_too_many_withdraw_waits_for_them(desk: Desk) -> None:
    desk.certify()
    session, _ = filled(desk, "age", LONG)
    study = desk.study(session)
    for _ in range(60):
        desk.service.tick()
    desk.withdraw(study, 2)
    desk.withdraw(study, 3)
    while desk.service.tick():
        pass
    assert desk.closing(session) is None
    desk.approve(study, 3)
    ticks(desk, session)
    assert desk.contributors(session) == [1, 3, 4]


def test_whoever_contributes_while_the_sum_is_made_is_not_in_it(desk: Desk) -> None:
    desk.certify()
    session = asked(desk, "age", LONG)
    payloads = desk.fill(session, 1, 2, 4)
    late = desk.payload(session, 3)
    desk.wait()
    found = desk.service.summing._packed[session]
    while len(found.fit) < 3:
        desk.service.tick()
    desk.contribute(3, session, late)
    ticks(desk, session)
    assert desk.contributors(session) == [1, 2, 4]
    assert is_sum(desk, session, payloads)
    assert desk.service.summing.left_out[session] == {3: TOO_LATE}


def test_nobody_is_waited_for_while_the_sum_is_made(desk: Desk) -> None:
    desk.certify()
    session, _ = filled(desk, "age", LONG)
    desk.service.tick()
    desk.service.summing.held_back[session] = frozenset({4})  # as before the last one came
    found = desk.service.summing._packed[session]
    while not found.is_decided:
        assert desk.service.tick()
    assert desk.closing(session) is None
    assert session not in desk.service.summing.held_back


def test_what_is_left_out_keeps_nobody_elses_copy_out(desk: Desk) -> None:
    seen = SeenCiphertexts(desk.federation.terms)
    assert not finish(seen.take(1, [mpz(5), mpz(6)]))
    repeated = Reason("repeated", "a ciphertext repeats one of H1's", 1)
    assert finish(seen.take(2, [mpz(7), mpz(6)])) == repeated
    twice = Reason("repeated", "a ciphertext occurs twice in it", 2)
    assert finish(seen.take(2, [mpz(7), mpz(7)])) == twice
    seen.drop(1)
    assert not finish(seen.take(2, [mpz(7), mpz(6)]))
