"""A dealer's blind is far out of range, but the points of it that honest members get are not.

With commitments to it all fits, and an f_i comes out above its bound: whoever has it cannot prove
its part of the trial. It must end in an abort that shows who dealt the blind.
"""

from typing import Any

import pytest

from keyshare.ceremony.shamir import evaluate
from protocol.ceremony import step, winner_steps
from protocol.ceremony.run import CeremonyRun, StepId
from tests.stage.toy import CeremonyTable, toy_epoch

N = 3


def huge_blind(run: CeremonyRun, step: StepId) -> list[Any]:
    """0 at one honest member, the largest point at the other; or 0 at both and high in between."""
    top = winner_steps._point_bounds(winner_steps._candidate(run, step).shape)[2] - 1
    low, high = (j for j in run.everyone if j != run.index)
    if run.terms.quorum == N:
        return [16 * top * low * high, -16 * top * (low + high), 16 * top]
    slope = top // (high - low)
    return [slope * high, -slope] if run.index < low else [-slope * low, slope]


@pytest.mark.parametrize("quorum", [2, N])
def test_a_share_out_of_its_bound_ends_in_an_abort_that_shows_whose_blind_it_was(
    quorum, monkeypatch
):
    toy = toy_epoch(N, quorum)
    dealers = toy.table.machines[1]._run.the_winner.exponents
    liar = next(i for i in dealers if quorum == N or i != 2)
    polynomials, points, pack = winner_steps._polynomials, winner_steps.Points, step.pack_numbers
    read = points.read

    def lying(run: CeremonyRun, step: StepId) -> list[Any]:
        found = polynomials(run, step)
        return [*found[:2], huge_blind(run, step)] if run.index == liar else found

    def unchecked(data, run, step, dealer):  # its own points: no bound
        if run.index == dealer == liar:
            return points(*(evaluate(f, liar) for f in lying(run, step)))
        return read(data, run, step, dealer)

    def fitting(values, width):
        return pack((max(v, 0) % (1 << 8 * width) for v in values), width)

    table = CeremonyTable(toy.federation)
    with monkeypatch.context() as patch:
        patch.setattr(winner_steps, "_polynomials", lying)
        patch.setattr(points, "read", unchecked)
        patch.setattr(step, "pack_numbers", fitting)
        table.run()
    assert table.failures == dict.fromkeys(table.machines, (0, "theta"))
    assert set(table.verdict.culprits) == {liar}
