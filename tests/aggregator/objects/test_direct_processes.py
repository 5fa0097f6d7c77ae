"""Whole processes: hospitals move their vectors to the store and from it, while it serves them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo.processes import wait_for
from participant.model.file import model_name
from tests.stage.objects.checking import CheckingStore
from tests.stage.objects.server import ObjectServer, bucket_of
from tests.test_federation import Federation, finish_all

pytestmark = pytest.mark.slow
WEIGHTS = 200_000
APP = f"""
import time
from pathlib import Path
import numpy as np

def initial_parameters(config):
    return [np.zeros({WEIGHTS}, dtype=np.float32)]

def fit(parameters, config):
    while config["round"] > 1 and not Path(__file__).with_name("go").exists():
        time.sleep(0.05)
    return [parameters[0] + np.float32(0.001)], 10, {{}}

def evaluate(parameters, config):
    return float(parameters[0][0]), 10, {{}}
"""


@pytest.fixture
def store(objects: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[CheckingStore]:
    with CheckingStore(objects).running() as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        yield found


def test_a_round_goes_by_the_store_and_the_next_one_ends_without_it(
    tmp_path: Path, objects: ObjectServer, store: CheckingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, federation = objects.new_bucket(), Federation(tmp_path)
    base = f"{store.url}/{bucket_of(address)}/some/prefix/{federation.terms.federation.hex()}"
    monkeypatch.setenv("QUORATE_AGGREGATOR_BLOBS", address)
    monkeypatch.setenv("QUORATE_BLOBS_FROM", base)
    app = tmp_path / "app.py"
    app.write_text(APP)
    hospitals = federation.hospitals
    with federation.serve():
        ceremony = [federation.start(h, "ceremony", str(federation.file)) for h in hospitals]
        finish_all(ceremony, "the ceremony")
        plan = ("--kind", "training", "--rounds", "2", "--clip", "1", "--app", str(app))
        federation.study("large", *plan, app=str(app))
        words = ("train", str(federation.file), "--study", "large", "--app", str(app))
        training = [federation.start(h, *words) for h in hospitals]
        folders = [h.folder(federation.terms.federation) for h in hospitals]
        made = lambda: all((folder / model_name("large", 1)).exists() for folder in folders)  # noqa: E731
        wait_for("the first round", made, training, 120)
        moved = [(way, size) for way, _, size in store.moved if size > 1_000]
        assert sum(way == "PUT" for way, _ in moved) >= 3
        assert sum(way == "GET" for way, _ in moved) >= 3
        store.is_down = True
        (tmp_path / "go").touch()
        finish_all(training, "training")
    assert len({(folder / model_name("large", 2)).read_bytes() for folder in folders}) == 1
    for hospital in hospitals:
        log = (tmp_path / f"{hospital.number}.log").read_text()
        assert f"The object store at {store.url} does not serve this hospital: it answers 4" in log
        assert "The aggregator does not take" not in log
        assert "X-Amz" not in log
        assert "Traceback" not in log
