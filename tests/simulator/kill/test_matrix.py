"""Whoever dies at a durable change comes back, and all ends as if nothing had happened."""

from collections import Counter
from functools import cache

import pytest

from participant.agent import checkpoint
from participant.home.membership import Membership
from protocol.board import Head
from tests.simulator import forgetful_store
from tests.simulator.disk import Disk
from tests.simulator.kill.kinds import OF_A_HOSPITAL, OF_THE_AGGREGATOR, kinds_by
from tests.simulator.kill.moments import Death, Moments
from tests.simulator.kill.stages import ROLES, STAGES, played
from tests.simulator.oracle import Violation

CALM_RUNS = 2  # of which the fewest changes count
TRIES = 12  # as blobs draw their folders, the last change of a kind is missing in a quarter
AT_ONCE = 4  # deaths of one machine in a run of the fast test
SHORTER = {"training": "vectors"}  # with the same kinds of changes


@cache
def calm(stage: str, k: int = 0) -> Moments:
    """A run in which nobody dies."""
    return played(stage)


def changes(stage: str, who: int, n_runs: int = 1) -> dict[str, int]:
    """How many changes of each kind somebody makes at least in calm runs."""
    found = Counter[str]({kind: n for (by, kind), n in calm(stage).seen.items() if by == who})
    for k in range(1, n_runs):
        found &= Counter({kind: n for (by, kind), n in calm(stage, k).seen.items() if by == who})
    return found


def points(role: str) -> list[Death]:
    """The role's row of the matrix: all moments that a restart can tell apart."""
    stage, who = ROLES[role]
    least = changes(stage, who, CALM_RUNS)
    found = [d for d in calm(stage).distinct if d.who == who and d.nth <= least[d.kind]]
    after = {(d.kind, d.nth) for d in found if d.is_after}
    assert after == {(kind, k) for kind, n in least.items() for k in range(1, n + 1)}
    return found


def strike(stage: str, *deaths: Death) -> None:
    """Let these machines die in a run, and see it end as it must; the deaths must come."""
    missing = set(deaths)
    for _ in range(TRIES):
        try:
            missing = set(deaths) - played(stage, *deaths).struck
        except Exception as error:
            error.add_note(f"{stage}: {'; '.join(map(str, deaths))}")
            raise
        if not missing:
            return
    raise AssertionError(f"{stage}: this moment never came: {missing}")


@pytest.mark.parametrize("role", ROLES)
def test_every_kind_of_durable_change_has_its_row(role: str) -> None:
    stage, who = ROLES[role]
    assert set(changes(SHORTER.get(stage, stage), who)) == kinds_by(role)


def test_every_row_is_of_a_role() -> None:
    rows = {*OF_THE_AGGREGATOR, *OF_A_HOSPITAL}
    assert rows == {kind for role in ROLES for kind in kinds_by(role)}


def sample(stage: str) -> list[tuple[Death, ...]]:
    """Runs in which all roles of a stage die, at one change of each kind, before and after."""
    runs: list[list[Death]] = []
    for role, (found, who) in ROLES.items():
        if SHORTER.get(found, found) != stage:
            continue
        for k, (kind, n) in enumerate(sorted(changes(stage, who).items())):
            step = len(kinds_by(role)) // AT_ONCE + 1
            runs += [[] for _ in range(step - len(runs))]
            runs[k % step].append(Death(who, kind, (n + 1) // 2, is_after=bool(k % 2)))
    return [tuple(run) for run in runs]


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in SHORTER])
def test_a_death_at_a_change_of_each_kind_changes_nothing(stage: str) -> None:
    for deaths in sample(stage):
        strike(stage, *deaths)


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_a_death_at_any_durable_change_changes_nothing(role: str) -> None:
    row = points(role)
    for death in row:
        strike(ROLES[role].stage, death)
    print(f"{role}: {len(row)} deaths at {sum(d.is_after for d in row)} changes")


# ── what must not go unnoticed ──


def test_a_planted_file_without_a_row_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def save(storage: Disk, head: Head) -> None:
        storage.write("another", b"")

    monkeypatch.setattr("participant.agent.agent.save_checkpoint", save)
    assert (1, "write another") in played("talk").seen
    assert checkpoint.save_checkpoint is not save


def test_planted_acknowledgement_before_durability_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forgetful_store.plant(monkeypatch)
    with pytest.raises(Violation):
        played("statistic", Death(0, "entry", 5, is_after=False))


def test_a_planted_seed_that_a_kill_leaves_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Membership, "settled_keys", lambda member: member.keys)
    with pytest.raises(Violation, match="still there"):
        played("ceremony", Death(2, "key share", 1, is_after=True))
