# SPDX-License-Identifier: Apache-2.0
"""NVFlare as sites have it: provisioned kits, TLS, a process for each, and the filters in place."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nvflare.app_common.logging.job_log_streamer import JobLogStreamer
from nvflare.app_common.np.np_model_persistor import NPModelPersistor
from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.job_config.api import FedJob
from nvflare.job_config.defs import FilterType
from quorate_nvflare.site import privacy, write_local
from scripted import ScriptedAgent

from quorate_nvflare import QuorateAggregator
from tests.stage.hospital_code import AddsOne
from tests.stage.kits import Kits
from tests.stage.received import FILE, Received

pytestmark = pytest.mark.slow

SITES = ["site-1", "site-2"]
HERE = Path(__file__).parent
_CODE = {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("f")


@pytest.fixture(scope="module")
def agents(folder: Path) -> dict[str, ScriptedAgent]:
    found = {}
    for site in SITES:
        (folder / f"a{site}").mkdir()
        found[site] = ScriptedAgent(folder / f"a{site}")
    return found


@pytest.fixture(scope="module")
def kits(folder: Path, agents: dict[str, ScriptedAgent]) -> Iterator[Kits]:
    with Kits(folder, SITES) as made:
        for site in SITES:
            socket = str(agents[site].path)
            scope = privacy(socket, ["error"])
            write_local(made.kit(site), scope, ["tests.stage.hospital_code.AddsOne"])
        made.allow_jobs_of("quorate_nvflare.", "tests.")
        for name in ("localhost", *SITES):
            made.start(name, {**_CODE, FILE: str(folder / "received")})
        yield made


def job(folder: Path, name: str, *more: Any) -> Path:
    """A job without code: the hospitals' executor, and these components at each site."""
    made = FedJob(name=name, min_clients=len(SITES))
    made.set_app_packages(["quorate_nvflare", "tests"])
    persistor = made.to_server(NPModelPersistor(model=[[0.0, 0.0]]), id="persistor")
    made.to_server(
        FedAvg(
            num_clients=len(SITES), num_rounds=2, persistor_id=persistor,
            aggregator=QuorateAggregator(),
        )
    )  # fmt: skip
    made.to_clients(AddsOne(), tasks=["*"])
    made.to_server(Received(), filter_type=FilterType.TASK_RESULT, tasks=["train"])
    for one in more:
        made.to_clients(one)
    made.export_job(str(folder))
    return folder / name


def changed(path: Path, **facts: Any) -> Path:
    """The job with other facts in its meta.json."""
    meta = path / "meta.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), **facts}))
    return path


def test_a_job_without_code_trains_and_the_server_gets_receipts(
    kits: Kits, folder: Path, agents: dict[str, ScriptedAgent]
) -> None:
    assert kits.ended(kits.submit(job(folder, "plain"))) == "FINISHED:COMPLETED"
    log = kits.log("localhost")
    for site in SITES:
        assert f"{site} says Receipt(study='cardio', round=2" in log
        assert agents[site].said.count("update") == 2
    received = (folder / "received").read_text().splitlines()
    assert len(received) == 2 * len(SITES)
    for line in received:
        assert line.startswith("[] {'DXO'")
        assert "patients" not in line
        assert "'initial_metrics': {'error': 0.5}" in line


# ── ways by which a job could pass by the filters ──


def refused(kits: Kits, path: Path, reason: str) -> None:
    """The job trains nowhere, for that reason."""
    before = {name: len(log) for name, log in kits.logs().items()}
    assert kits.ended(kits.submit(path)) != "FINISHED:COMPLETED"
    assert reason in "".join(log[before[name] :] for name, log in kits.logs().items())


@pytest.fixture(autouse=True)
def _nothing_more_is_contributed(agents: dict[str, ScriptedAgent], request: Any) -> Iterator[None]:
    before = [agent.said.count("update") for agent in agents.values()]
    yield
    if "refused" in request.node.name:
        assert [agent.said.count("update") for agent in agents.values()] == before


def test_a_job_that_brings_code_is_refused(kits: Kits, folder: Path) -> None:
    made = job(folder, "code")
    (made / "app/custom").mkdir()
    (made / "app/custom/sitecustomize.py").write_text("import socket")
    refused(kits, made, "BYOC not permitted")


def test_a_job_of_another_scope_is_refused(kits: Kits, folder: Path) -> None:
    refused(kits, changed(job(folder, "scope"), scope="public"), "scope 'public' is not allowed")


def test_jobs_of_classes_that_pass_by_the_filters_are_refused(kits: Kits, folder: Path) -> None:
    command = job(folder, "command")
    config = command / "app/config/config_fed_client.json"
    found = json.loads(config.read_text())
    path = "nvflare.app_common.executors.client_api_executor.ClientAPIExecutor"
    args = {"execution_mode": "external_process", "command": "cat /data/patients.csv"}
    found["executors"][0]["executor"] = {"path": path, "args": args}
    config.write_text(json.dumps(found))
    events = job(folder, "events", ConvertToFedEvent(["analytix_log_stats"]))
    logs = job(folder, "logs", JobLogStreamer())
    numbers = [kits.submit(one) for one in (command, events, logs)]
    for number in numbers:
        assert kits.ended(number) != "FINISHED:COMPLETED"
    said = kits.log("site-1")
    for name in ("ClientAPIExecutor", "ConvertToFedEvent", "JobLogStreamer"):
        assert re.search(rf"{name}' at config path .* is not in allow_list", said)
