"""Values that are right modulo something, and not reduced: a second spelling of what all read.

    screen      4^(x_i) + N in place of 4^(x_i): the products modulo N stay what they are
    moduli      z + P in a lane of a share of N: the sum over F_P stays what it is
    u^(x_i)     another value than the exponent's, as if its proof were not looked at: N is tested
                with the base u as with the 64 others

Two spellings of one number let whoever posts choose a hash, and what all compute from the board
must have one form.
"""

import contextlib

import pytest
from gmpy2 import mpz

from protocol.ceremony import winner_steps
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.ceremony.winner_steps import Winning
from protocol.encoding import decode, encode, pack_numbers, unpack_numbers, width_of
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.stage.ceremony.adversary import PLAN, at_table, winners_dealers
from tests.stage.ceremony.liar import Lies, assert_caught, lying


class NoRoom(Exception):
    """None of a member's values can be spelled in another way."""


def screen_plus_n(run: CeremonyRun, step: StepId, honest: bytes) -> bytes:
    """The first value that has room for N above it, where this member does not lead."""
    top = mpz(1) << run.terms.key_bits
    chosen = run.layout.chosen(run.batch.survivors, run.index)
    values = unpack_numbers(honest, width_of(top), len(chosen), top, "screen")
    for k, candidate in enumerate(chosen):
        n, lead = run.batch.moduli[candidate], run.layout.dealers(run.layout.class_of(candidate))[0]
        if values[k] + n < top and lead != run.index:
            values[k] += n
            return pack_numbers(values, width_of(top))
    raise NoRoom


def share_plus_p(run: CeremonyRun, step: StepId, honest: bytes) -> bytes:
    row, rows = honest[: run.rows.size], run.rows
    lanes = rows.split(rows.decode(row))
    lanes[0] += rows.prime
    return rows.encode(rows.join(lanes)) + honest[run.rows.size :]


def other_exponent(run: CeremonyRun, step: StepId, honest: bytes) -> bytes:
    n, said = run.batch.moduli[step.candidate], decode(honest, Winning, "winner", MAX_BLOB_BYTES)
    width = width_of(n)
    first = mpz(int.from_bytes(said.numbers[:width], "big"))
    numbers = pack_numbers([first * 4 % n], width) + said.numbers[width:]
    return encode(Winning(numbers, said.proof))


@pytest.mark.parametrize(
    ("step", "lie"), [("screen", screen_plus_n), ("moduli", share_plus_p)], ids=["screen", "moduli"]
)
def test_a_value_that_is_not_reduced_is_refused_in_its_own_step(step, lie):
    for liar in range(1, PLAN.n_members + 1):
        with contextlib.suppress(NoRoom):
            aftermath = at_table(lying({liar: Lies(public={step: lie})}))
            break
    assert_caught(aftermath, liar, step)
    assert all("out of range" in failure.reason for failure in aftermath.failures.values())


def test_the_exponents_commitment_is_a_test_of_n_on_its_own(monkeypatch):
    """Without the proof, a wrong u^(x_i) makes N fail; its leaves then show who posted it."""
    liar = winners_dealers()[1]
    monkeypatch.setattr(winner_steps, "verify", lambda *arguments: True)
    aftermath = at_table(lying({liar: Lies(public={"winner": other_exponent})}))
    for failure in aftermath.failures.values():
        assert failure.culprit == liar
        assert "its commitment to the exponent" in failure.reason
