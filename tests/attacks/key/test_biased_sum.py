"""The last dealer tries sharings until the sum of all commitments has the bits that it wants.

Gennaro, Jarecki, Krawczyk, Rabin, "Secure distributed key generation for discrete-log based
cryptosystems", EUROCRYPT 1999, whose attack is on Feldman's commitments.

Here the sum is u^(ΔR), the commitment to the blind of θ', from which all verification keys follow.
"""

from gmpy2 import mpz

from keyshare.randomness import Stream
from protocol.ceremony import commitment, winner_steps
from protocol.ceremony.machine import UnsealedStep
from protocol.ceremony.winner_steps import Winning
from protocol.encoding import decode, unpack_numbers, width_of
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.stage.ceremony.adversary import (
    EITHER_WAY,
    Malicious,
    assert_caught,
    assert_certified,
    at_table,
    honest_table,
    winners_dealers,
)

NONCE = 32
WANTED, BITS = 0b10101, 5


def blind_of(said: bytes, n: mpz, quorum: int) -> mpz:
    """A dealer's commitment to its R_i: the first of the last ``quorum`` numbers."""
    numbers = decode(said, Winning, "winner", MAX_BLOB_BYTES).numbers
    count = len(numbers) // width_of(n)
    return unpack_numbers(numbers, width_of(n), count, n, "winner")[-quorum]


class Biaser(Malicious):
    """Draws its polynomials again and again, when it has seen all other dealers' commitments."""

    speaks_last = frozenset({"winner"})

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        if honest.step.name != "winner" or not self.heard:
            return honest
        run, step, quorum = self.run, honest.step, self.terms.quorum
        n = run.batch.moduli[step.candidate]
        others = mpz(1)
        for said in self.heard.values():
            others = others * blind_of(said[NONCE:], n, quorum) % n
        for attempt in range(1000):
            run.stream = lambda *labels, attempt=attempt: Stream.derive(run.seed, *labels, attempt)
            said = winner_steps.tell_exponent(run, step).write(run, step)
            if others * blind_of(said, n, quorum) % n % (1 << BITS) == WANTED:
                dealt = winner_steps.deal_key(run, step)
                private = {i: points.write(run, step) for i, points in dealt.items()}
                return UnsealedStep(step, honest.public[:NONCE] + said, private)
        raise AssertionError("no luck in a thousand tries")


def test_an_honest_sum_has_other_bits():
    (blind, *_) = honest_table().machines[1]._run.the_winner.blinds
    assert blind % (1 << BITS) != WANTED


@EITHER_WAY
def test_a_dealer_that_draws_again_opens_what_it_did_not_commit_to(play):
    attacker = winners_dealers()[2]
    aftermath = play({attacker: Biaser})
    assert_caught(aftermath, attacker)
    assert {(f.culprit, f.step) for f in aftermath.failures.values()} == {(attacker, "winner")}


def test_without_commitments_the_last_dealer_chooses_bits_of_the_sum(monkeypatch):
    monkeypatch.setattr(commitment, "commitment_to", lambda *said: bytes(32))
    attacker = winners_dealers()[2]
    aftermath = at_table({attacker: Biaser})
    assert_certified(aftermath)
    (blind, *_) = aftermath.coalition.runs[attacker].the_winner.blinds
    assert blind % (1 << BITS) == WANTED
