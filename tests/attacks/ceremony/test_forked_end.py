"""An abort that a colluding aggregator shows to one member alone, when all have signed the end.

The member's certificate was on its way: on the board that it sees it stands behind the abort, on
the others' board all certificates are there, and the key counts. Its seed would give the coalition
the point of φ that it lacks.
"""

from math import factorial

import pytest
from gmpy2 import is_square, mpz

from keyshare.ceremony.shamir import integer_lagrange
from protocol.errors import Fork
from protocol.messages.ceremony import Abort, Disclosure, Join, Overdue, Step
from tests.stage.toy import CEREMONY, CeremonyTable, toy_epoch, toy_federation

N, QUORUM = 3, 2
COLLUDER, VICTIM, OTHER = 2, 3, 1


def copied(table: CeremonyTable) -> CeremonyTable:
    other = CeremonyTable(table.federation)
    other.blobs = table.blobs
    for entry in table.entries:
        other.show(other.put(entry.post))
    return other


JUNK = [Step("deal", 0, 0, ()), Disclosure(bytes(32)), Join(b"key", bytes(32))]
SPOILS = [Abort(0, "certificate", "no"), *JUNK]


@pytest.mark.parametrize("spoil", SPOILS, ids=["abort", "step", "disclosure", "join"])
def test_a_certificate_on_its_way_keeps_the_seed_whatever_stands_before_it(spoil):
    table = CeremonyTable(toy_federation(N, QUORUM)).before_the_end()
    certificates = {i: table.sign(CEREMONY, i, d.body) for i, d in table.due()}
    spoilt = copied(table)
    spoilt.show(spoilt.put(table.sign(CEREMONY, COLLUDER, spoil)))
    spoilt.show(spoilt.put(certificates[VICTIM]))  # from its outbox: the same bytes on both boards
    for signed in certificates.values():
        table.show(table.put(signed))
    assert table.machines[OTHER].outcome  # here the key counts
    victim = spoilt.machines[VICTIM]
    assert bool(victim.failure) == isinstance(spoil, Abort)  # what is no abort has no effect
    assert not victim.owes_seed
    assert victim.due() is None
    assert not spoilt.replayed(VICTIM).owes_seed
    assert VICTIM not in spoilt.verdict.silent
    assert VICTIM not in spoilt.verdict.culprits


def test_a_silence_at_the_end_lets_no_certificate_owner_disclose_though_elsewhere_the_key_counts():
    """The colluder is silent on one board until its time has passed, and certifies on the other."""
    table = CeremonyTable(toy_federation(N, QUORUM)).before_the_end()
    certificates = {i: table.sign(CEREMONY, i, d.body) for i, d in table.due()}
    given_up = copied(table)
    for board in (given_up, table):
        for i in (VICTIM, OTHER):
            board.show(board.put(certificates[i]))
    table.show(table.put(certificates[COLLUDER]))
    assert table.machines[OTHER].outcome, "on this board the key counts"
    given_up.now_ms = 1000 * table.federation.terms.step_seconds
    given_up.show(given_up.put(given_up.sign(CEREMONY, COLLUDER, Overdue("certificate", 0, 0))))
    drafts = dict(given_up.due())
    assert drafts[VICTIM].body.silent == (COLLUDER,)
    given_up.publish(VICTIM, drafts[VICTIM])
    for member in (VICTIM, OTHER):
        assert not given_up.machines[member].owes_seed
        assert given_up.machines[member].due() is None
        assert not given_up.replayed(member).owes_seed
    verdict = given_up.verdict
    assert not verdict.culprits
    assert verdict.silent == (COLLUDER,)
    assert not given_up.machines[VICTIM].outcome
    with pytest.raises(Fork):  # whoever goes on from the one board is not heard on the other
        table.put(given_up.sign("ceremony/2", VICTIM, Join(b"key", bytes(32))))


def test_with_that_seed_one_colluder_of_three_factors_n():
    toy = toy_epoch(N, QUORUM)
    ends = {i: toy.table.replayed(i)._run.the_winner.points[0] for i in (COLLUDER, VICTIM)}
    delta, n = mpz(factorial(N)), toy.key.n
    weights = integer_lagrange(ends, delta)
    phi = 4 * sum(weights[i] * point for i, point in ends.items()) // delta**2
    assert is_square((n + 1 - phi) ** 2 - 4 * n)
