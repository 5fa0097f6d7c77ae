# SPDX-License-Identifier: Apache-2.0
"""NVFlare as sites have it, and hospitals as they are: kits and TLS, with real agents behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.app_common.np.np_model_persistor import NPModelPersistor
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.job_config.api import FedJob
from nvflare.job_config.defs import FilterType
from quorate_nvflare.site import privacy, write_local
from staged import Staged

from quorate_client import Answer, Visits
from quorate_nvflare import QuorateAggregator
from tests.stage.hospital_code import EXAMPLES, HELD, STEPS, AddsOwn
from tests.stage.kits import Kits, wait_for
from tests.stage.received import FILE, Received

pytestmark = pytest.mark.slow

SITES = ["site-1", "site-2", "site-3", "site-4"]
ROUNDS = 2
PLAN: dict[str, Any] = {
    "rounds": ROUNDS, "seconds": 60, "least_contributors": 3, "clip": 8.0, "bits": 32,
    "max_examples": 100, "suite": "paillier",
}  # fmt: skip
FIRST = [[0.0, 0.5], [1.0, -1.0]]
HERE = Path(__file__).parent
_CODE = {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("f")


@pytest.fixture(scope="module")
def staged() -> Iterator[Staged]:
    with Staged(len(SITES), **PLAN) as made:
        yield made


@pytest.fixture(scope="module")
def apart() -> Iterator[Staged]:
    """Where no round has had all hospitals: agents hold back a sum of fewer that is near it."""
    with Staged(len(SITES), **PLAN) as made:
        yield made


@pytest.fixture(scope="module")
def kits(folder: Path) -> Iterator[Kits]:
    (folder / "held").mkdir()
    with Kits(folder, SITES) as made:
        for site in SITES:
            scope = privacy(str(folder / "{site}"), [])
            write_local(made.kit(site), scope, ["tests.stage.hospital_code.AddsOwn"])
        made.allow_jobs_of("quorate_nvflare.", "tests.", patience=30)
        more = {FILE: str(folder / "received"), HELD: str(folder / "held")}
        for name in ("localhost", *SITES):
            made.start(name, {**_CODE, **more})
        yield made


def study(staged: Staged, name: str, **changes: object) -> list[str]:
    """Of all hospitals; the sockets."""
    return list(map(str, staged.study(name, **{**PLAN, **changes})))


def settle(folder: Path, sockets: list[str]) -> None:
    """The sites' agents listen there: what their settings name are links."""
    (folder / "received").write_text("")
    for site, path in zip(SITES, sockets, strict=True):
        for end in ("", ".token"):
            (folder / f"{site}{end}").unlink(missing_ok=True)
            (folder / f"{site}{end}").symlink_to(f"{path}{end}")


def job(folder: Path, name: str, start: float = 0.0, least: int = len(SITES)) -> Path:
    """A job without code. start: added to the first model, which no two studies may begin with."""
    made = FedJob(name=name, min_clients=least)
    made.set_app_packages(["quorate_nvflare", "tests"])
    first = [[value + start for value in row] for row in FIRST]
    persistor = made.to_server(NPModelPersistor(model=first), id="persistor")
    workflow = FedAvg(
        num_clients=len(SITES), num_rounds=ROUNDS, persistor_id=persistor,
        aggregator=QuorateAggregator(),
    )  # fmt: skip
    made.to_server(workflow)
    made.to_clients(AddsOwn(), tasks=["train"])
    made.to_server(Received(), filter_type=FilterType.TASK_RESULT, tasks=["train"])
    made.export_job(str(folder))
    return folder / name


def stands(socket: str, job: str) -> Answer:
    """Where a hospital is."""
    with Visits(socket, f"nvflare/{job}") as agent:
        return agent.model()


def stands_at(sockets: list[str], job: str) -> set[int]:
    """After which rounds hospitals stand, 0 before the first one."""
    found = [stands(path, job).receipt for path in sockets]
    return {one.round if one else 0 for one in found}


def clear(start: float, *rounds: list[str]) -> np.ndarray:
    """What clear FedAvg makes of the first model, with those sites in each round."""
    made = np.array(FIRST) + start
    for sites in rounds:
        total = sum(EXAMPLES[site] for site in sites)
        made = made + sum(EXAMPLES[site] * STEPS[site] for site in sites) / total
    return made


def all_stand_at(found: list[Answer], due: np.ndarray) -> None:
    """At one model."""
    assert len({one.receipt.model for one in found if one.receipt}) == 1
    for one in found:
        (values,) = one.parameters.values()
        np.testing.assert_allclose(values, due, rtol=0, atol=1e-4)


def only_receipts(folder: Path, count: int) -> None:
    """That is all that the server has received."""
    received = (folder / "received").read_text().splitlines()
    assert len(received) == count
    for line in received:
        assert line.startswith("[] {'DXO'"), line
        assert "'quorate.receipt'" in line


def test_rounds_are_those_of_clear_fedavg_and_the_server_gets_no_array(
    kits: Kits, staged: Staged, folder: Path
) -> None:
    sockets = study(staged, "plain")
    settle(folder, sockets)
    number = kits.submit(job(folder, "plain"))
    assert kits.ended(number) == "FINISHED:COMPLETED"
    assert stands_at(sockets, number) == {ROUNDS}
    all_stand_at([stands(path, number) for path in sockets], clear(0.0, SITES, SITES))
    only_receipts(folder, ROUNDS * len(SITES))


def test_a_site_at_an_agent_of_another_study_ends_the_job_before_any_begins(
    kits: Kits, staged: Staged, folder: Path
) -> None:
    right, wrong = study(staged, "right"), study(staged, "wrong")
    settle(folder, [*right[:3], wrong[3]])
    number = kits.submit(job(folder, "mixed", 0.25))
    assert kits.ended(number, 60) != "FINISHED:COMPLETED"
    said = kits.log("localhost")
    assert "the sites of this job train different studies" in said
    assert "site-4 at an agent of study wrong of federation" in said
    only_receipts(folder, 0)
    settle(folder, right)  # which no site has begun
    again = kits.submit(job(folder, "mixed", 0.25))
    assert kits.ended(again) == "FINISHED:COMPLETED"
    assert stands_at(right, again) == {ROUNDS}


def test_a_killed_process_of_a_site_ends_the_job_and_the_round_is_over_without_it(
    kits: Kits, apart: Staged, folder: Path
) -> None:
    sockets = study(apart, "killed", seconds=15)
    settle(folder, sockets)
    (folder / "held/site-4").touch()
    number = kits.submit(job(folder, "killed", 0.75, least=3))
    wait_for(lambda: (folder / "held/site-4").read_text() == "trains")
    wait_for(lambda: len((folder / "received").read_text().splitlines()) == 3)
    kits.kill_job("site-4")
    assert kits.ended(number, 60) == "FINISHED:EXECUTION_EXCEPTION"
    (folder / "held/site-4").unlink()
    wait_for(lambda: stands_at(sockets, number) == {1})
    only_receipts(folder, 3)
    all_stand_at([stands(path, number) for path in sockets], clear(0.75, SITES[:3]))


@pytest.mark.timeout(400)
def test_a_site_that_is_gone_is_waited_for_and_the_job_goes_on_without_it(
    kits: Kits, apart: Staged, folder: Path
) -> None:
    sockets = study(apart, "gone", seconds=5)
    settle(folder, sockets)
    (folder / "held/site-4").write_text("")
    number = kits.submit(job(folder, "gone", 1.25, least=3))
    wait_for(lambda: (folder / "held/site-4").read_text() == "trains")
    kits.stop("site-4")  # the last test: it is not begun anew
    assert kits.ended(number, 300) == "FINISHED:COMPLETED"
    assert stands_at(sockets, number) == {ROUNDS}
    all_stand_at([stands(p, number) for p in sockets], clear(1.25, SITES[:3], SITES[:3]))
    only_receipts(folder, ROUNDS * 3)
