# SPDX-License-Identifier: Apache-2.0
"""The examples in NVFlare's simulator, with real agents: the average, and what the server got."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from staged import Staged

from quorate_client import Visits
from tests.stage.received import FILE

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
PLAN: dict[str, Any] = {
    "rounds": 3, "seconds": 60, "least_contributors": 3, "clip": 8.0, "bits": 32,
    "max_examples": 300, "suite": "paillier",
}  # fmt: skip
ROUNDS = 2
SITES = ["site-1", "site-2", "site-3"]
# What clear FedAvg makes of the first model, by the example's own functions.
_CLEAR = """
import json, sys
import numpy as np
import client, job
given = json.loads(sys.argv[1])
model = first = None
if given["name"] == "hello-numpy":
    model = {client.KEY: np.zeros((4, 1), np.float32)}
    train = lambda m, s: (lambda t, n: ({client.KEY: t}, n))(*client.train(m[client.KEY], s))
else:
    import torch
    torch.set_num_threads(1)  # and begin with what the server has kept, which is what it sent
    kept = torch.load(given["kept"], weights_only=False)["model"]
    model = {n: np.asarray(v, np.float32) for n, v in kept.items()}
    def train(m, s):
        made, n = client.train({k: torch.from_numpy(v.copy()) for k, v in m.items()}, s)
        return {k: v.numpy() for k, v in made.items()}, n
for _ in range(given["rounds"]):
    found = [train(model, site) for site in given["sites"]]
    total = sum(n for _, n in found)
    model = {
        k: sum(m[k].astype(np.float64) * n for m, n in found) / total for k in model
    }
    model = {k: v.astype(np.float32) for k, v in model.items()}
print(json.dumps({k: v.tolist() for k, v in model.items()}))
"""
_RUN = """
import sys
import job
from nvflare.recipe import SimEnv
from tests.stage.received import Received
made = job.recipe(2)
made.add_server_input_filter(Received(), tasks=["train"])
made.execute(SimEnv(num_clients=3, workspace_root=sys.argv[1]))
"""


@pytest.fixture(scope="module")
def staged() -> Iterator[Staged]:
    with Staged(3, **PLAN) as made:
        yield made


def run(code: str, name: str, said: str, **environment: str) -> str:
    """The output of that code in the example's folder."""
    path = os.pathsep.join([str(EXAMPLES / name), str(HERE.parent)])
    done = subprocess.run(
        [sys.executable, "-c", code, said], cwd=EXAMPLES / name, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
        timeout=150, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("name", "metric"),
    [("hello-numpy", "error"), pytest.param("hello-pt", "accuracy", marks=pytest.mark.slow)],
)
def test_averages_are_those_of_clear_fedavg_and_the_server_gets_no_array(
    staged: Staged, tmp_path: Path, name: str, metric: str
) -> None:
    sockets = list(map(str, staged.study(name, **PLAN)))
    for site, path in zip(SITES, sockets, strict=True):
        for end in ("", ".token"):
            (tmp_path / f"{site}{end}").symlink_to(f"{path}{end}")
    run(
        _RUN, name, str(tmp_path / "ws"), QUORATE_SOCKET=f"{tmp_path}/{{site}}",
        QUORATE_METRICS=metric, **{FILE: str(tmp_path / "received")},
    )  # fmt: skip
    kept = next(map(str, (tmp_path / "ws").rglob("FL_global_model.pt")), "")
    said = json.dumps({"name": name, "rounds": ROUNDS, "sites": SITES, "kept": kept})
    due: dict[str, Any] = json.loads(run(_CLEAR, name, said).splitlines()[-1])
    found = [Visits(path, "nvflare/simulate_job") for path in sockets]
    models = [agent.model() for agent in found]
    assert {one.receipt.round for one in models if one.receipt} == {ROUNDS}
    assert len({one.receipt.model for one in models if one.receipt}) == 1
    for entry, values in due.items():
        ours = np.asarray(models[0].parameters[entry])
        np.testing.assert_allclose(ours, np.array(values), rtol=0, atol=1e-4)
    received = (tmp_path / "received").read_text().splitlines()
    assert len(received) == ROUNDS * len(SITES)
    for line in received:
        assert line.startswith("[] {'DXO'")
        assert f"'initial_metrics': {{'{metric}':" in line
