"""Whoever dies at a durable change and stays away: the others come to an end, or name it."""

import pytest

from participant.agent.task import Task
from tests.simulator.hospital import Hospital
from tests.simulator.kill.kinds import OF_A_HOSPITAL
from tests.simulator.kill.moments import Death
from tests.simulator.kill.stages import ROLES, staged
from tests.simulator.oracle import Violation, one_key
from tests.simulator.studies.studied import no_few_are_shown, nothing_is_done_that_was_not_approved

SECONDS = {"ceremony": 400.0}  # a step lasts 240 at most
LATER = 150.0  # after every word, and before anybody's patience is over
ROWS = [
    (role, kind, is_after)
    for kind, row in OF_A_HOSPITAL.items()
    for role in row.by
    if role not in ("proposer", "ender")  # nobody waits for a word that nobody owes
    for is_after in (False, True)
]
FAST = {
    ("candidate", "key share", True), ("trainer", "bounds", False), ("holder", "set", True),
    ("contributor", "numbers", False), ("reader", "post", True), ("mover", "card", True),
}  # fmt: skip


@pytest.mark.parametrize(
    ("role", "kind", "is_after"),
    [pytest.param(*row, marks=[] if row in FAST else pytest.mark.slow) for row in ROWS],
)
def test_the_others_end_or_name_it(role: str, kind: str, is_after: bool) -> None:
    stage, who = ROLES[role]
    with staged(stage, Death(who, kind, 1, is_after), stays_down=True) as (federation, moments):
        for hospital in federation.hospitals.values():
            hospital.tries_again = True
        assert not federation.run(SECONDS.get(stage, LATER))
        assert moments.struck
        one_key(federation)
        nothing_is_done_that_was_not_approved(federation)
        no_few_are_shown(federation)
        for hospital in federation.hospitals.values():
            if hospital.index != who and not has_ended(hospital) and who not in named(hospital):
                raise Violation(f"{hospital} waits for {named(hospital)}, not for {who}")


def has_ended(hospital: Hospital) -> bool:
    """Whether nothing of it is at work: not even a command that others keep waiting."""
    assert hospital.failure is None
    assert hospital.agent is not None
    return hospital.has_key and not hospital.person._running and not hospital.agent.is_sending


def named(hospital: Hospital) -> set[int]:
    """Whom a hospital waits for, or has found silent."""
    assert hospital.agent is not None
    tasks: list[Task] = [reader.task for reader in hospital.agent.tasks.readers]
    waited = {m for task in tasks for m in task.waiting(hospital.agent.board).members}
    return waited | {m for _, failure in hospital.aborts for m in failure.silent}
