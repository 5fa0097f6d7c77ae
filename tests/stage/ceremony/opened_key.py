"""The factors of a toy key, from everybody's seeds: what nobody could know in a real ceremony."""

from gmpy2 import mpz

from keyshare.ceremony.modulus import deal_factors
from protocol.ceremony.run import CeremonyRun, leaves
from tests.stage.toy import CEREMONY, CeremonyTable


def runs_of(table: CeremonyTable) -> dict[int, CeremonyRun]:
    """What the members know at the end of a ceremony."""
    return {i: machine._run for i, machine in table.machines.items()}


def dealers_factors(table: CeremonyTable) -> dict[int, tuple[mpz, mpz]]:
    """Each dealer's share of the winner's factors, drawn anew from its leaf; the lead first."""
    run = runs_of(table)[1]
    layout, winner = run.layout, run.the_winner
    number, position = divmod(winner.number, layout.class_size)
    factors = {}
    for i in layout.dealers(number):
        dealt = layout.dealt_by(i)
        fresh = CeremonyRun(run.terms, i, CEREMONY, table.seeds[i])
        own = leaves(fresh.seed, run.batch.number, len(dealt) * layout.class_size)
        leaf = own[dealt.index(number) * layout.class_size + position]
        (factors[i],) = deal_factors(run.shape, i == layout.dealers(number)[0], [leaf]).factors
    return factors


def factors_of_the_key(table: CeremonyTable) -> tuple[mpz, mpz]:
    """p and q."""
    shares = dealers_factors(table).values()
    return sum((p for p, _ in shares), mpz(0)), sum((q for _, q in shares), mpz(0))
