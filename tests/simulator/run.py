"""One seed, from plan to verdict."""

from collections.abc import Callable

from tests.simulator.federation import Federation, memory_folder
from tests.simulator.oracle import judge
from tests.simulator.plan import Plan


def simulate(
    seed: int | Plan, prepare: Callable[[Federation], None] = lambda federation: None
) -> str:
    """How the run of a seed ended: "done" or "fork"; raises Violation if it must not have."""
    plan = seed if isinstance(seed, Plan) else Plan.of(seed)
    with memory_folder() as folder:
        federation = Federation(plan, folder)
        prepare(federation)
        return judge(federation, federation.run())
