"""A dealer's values in the biprimality test have another exponent than the one that it shares.

Friedman et al., "Tiresias", eprint 2023/998, §4.4, prove with one batched proof that many values
have the same exponent; without it Boneh and Franklin's test (J. ACM 48(4), 2001) believes its
parties.
"""

import gmpy2
import msgspec
import pytest

from keyshare.ceremony.biprimality import ROUNDS
from protocol.ceremony import candidate_openings, winner_steps
from protocol.ceremony.key_steps import Trial
from protocol.ceremony.machine import UnsealedStep
from protocol.ceremony.run import StepId
from protocol.ceremony.winner_steps import Winning
from protocol.encoding import decode, encode, pack_numbers, unpack_numbers, width_of
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.stage.ceremony.adversary import (
    EITHER_WAY,
    Malicious,
    assert_caught,
    at_table,
    certified_modulus,
    modulus_of,
    winners_dealers,
)

DEALER = winners_dealers()[1]


class WrongRounds(Malicious):
    """Commits to its true exponent, and tests N with another one: so a good N fails."""

    def prepare(self, step: StepId, honest: bytes) -> bytes:
        if step.name != "winner" or (n := self.run.batch.moduli[step.candidate]) != modulus_of():
            return honest
        said = decode(honest, Winning, "winner", MAX_BLOB_BYTES)
        width = width_of(n)
        values = unpack_numbers(said.numbers, width, len(said.numbers) // width, n, "winner")
        for k in range(1, 1 + ROUNDS):
            values[k] = values[k] * values[k] % n
        return encode(msgspec.structs.replace(said, numbers=pack_numbers(values, width)))


class WrongThroughout(Malicious):
    """Commits to another exponent from the first, and proves it: so a good N fails."""

    def prepare(self, step: StepId, honest: bytes) -> bytes:
        if step.name != "winner" or self.run.batch.moduli[step.candidate] != modulus_of():
            return honest
        run, true = self.run, self.run.test_exponent
        run.test_exponent = lambda k: true(k) + 1  # type: ignore[assignment]
        try:
            return winner_steps.tell_exponent(run, step).write(run, step)
        finally:
            run.test_exponent = true


class WrongFresh(Malicious):
    """Answers the test with the fresh base with another exponent."""

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        if honest.step.name != "trial":
            return honest
        said, n = decode(honest.public, Trial, "trial", MAX_BLOB_BYTES), modulus_of()
        (value,) = unpack_numbers(said.fresh, width_of(n), 1, n, "fresh")
        wrong = pack_numbers([gmpy2.powmod(value, 2, n)], width_of(n))
        return UnsealedStep(honest.step, encode(msgspec.structs.replace(said, fresh=wrong)), {})


@EITHER_WAY
@pytest.mark.parametrize(
    ("attacker", "step"), [(WrongRounds, "winner"), (WrongThroughout, ""), (WrongFresh, "trial")]
)
def test_a_dealer_with_another_exponent_is_named(play, attacker, step):
    aftermath = play({DEALER: attacker})
    assert_caught(aftermath, DEALER)
    for failure in aftermath.failures.values():
        assert failure.culprit == DEALER
        assert failure.step.startswith(step)


def test_without_the_proof_a_dealer_rejects_a_good_modulus_unnoticed(monkeypatch):
    monkeypatch.setattr(winner_steps, "verify", lambda *said: True)
    assert certified_modulus(at_table({DEALER: WrongRounds})) != modulus_of()


def test_unless_commitments_to_exponents_are_checked_later_another_exponent_does_the_same(
    monkeypatch,
):
    monkeypatch.setattr(candidate_openings, "_check_commitments", lambda *said: None)
    assert certified_modulus(at_table({DEALER: WrongThroughout})) != modulus_of()
