"""A dealer gives wrong test values for a good modulus that it does not like, and waits for another.

The biprimality test of Boneh, Franklin, J. ACM 48(4), 2001, is for parties that follow it; against
others Frederiksen, Lindell, Osheter, Pinkas, CRYPTO 2018, have its correct execution proved.

Members 1 and 4 have dealt a part of every candidate. They let only such moduli pass in whose
middle a bit is as they want it. Rejected candidates are opened, and then their lies show.
"""

from gmpy2 import mpz

from protocol.ceremony import candidate_openings
from protocol.ceremony.run import StepId
from protocol.encoding import pack_numbers, unpack_numbers, width_of
from tests.stage.ceremony.adversary import (
    EITHER_WAY,
    PLAN,
    Malicious,
    assert_caught,
    at_table,
    certified_modulus,
    modulus_of,
    winners_dealers,
)

COALITION = (1, 4)
BIT = PLAN.key_bits // 2


def is_liked(n: mpz) -> bool:
    """Whether a modulus is other than the one of the ceremony in which nobody cheats."""
    return n.bit_test(BIT) != modulus_of().bit_test(BIT)


class Spoiler(Malicious):
    """Squares the test values of what it does not like."""

    def prepare(self, step: StepId, honest: bytes) -> bytes:
        if step.name != "screen":
            return honest
        batch, layout, bound = self.run.batch, self.run.layout, mpz(1) << PLAN.key_bits
        own = layout.chosen(batch.survivors, self.index)
        values = unpack_numbers(honest, width_of(bound), len(own), bound, "screen")
        spoiled = [
            value if is_liked(n := batch.moduli[k]) else value * value % n
            for k, value in zip(own, values, strict=True)
        ]
        return pack_numbers(spoiled, width_of(bound))


@EITHER_WAY
def test_a_spoiled_biprime_is_opened_and_shows_who_spoiled_it(play):
    spoiler = winners_dealers()[1]
    aftermath = play({spoiler: Spoiler})
    assert_caught(aftermath, spoiler)
    assert any(f.culprit == spoiler for f in aftermath.failures.values())


def test_a_coalition_that_spoils_is_named_whole():
    assert_caught(at_table(dict.fromkeys(COALITION, Spoiler)), *COALITION)


def test_unless_rejected_candidates_are_tested_again_a_coalition_chooses_among_moduli(monkeypatch):
    monkeypatch.setattr(candidate_openings, "_check_witnesses", lambda *said: None)
    aftermath = at_table(dict.fromkeys(COALITION, Spoiler))
    assert is_liked(certified_modulus(aftermath))
