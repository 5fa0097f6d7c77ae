"""A Flower app's folder as people give it, to commands in processes of their own."""

import asyncio
import json
import py_compile
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest

from participant.app.apart import AppApart
from participant.app.process import AppFile
from tests.participant.flower.folders import SERVER, flower_app
from tests.participant.flower.test_three_hospitals import ready
from tests.participant.hospital.conftest import cheap, consortium, opened  # noqa: F401
from tests.stage.consortium import Consortium, ended

pytestmark = pytest.mark.flower
TRAIN = ("train", "--study", "toy", "--timeout", "100", "--app")


def test_train_takes_the_folder_and_the_node_config_of_each_hospital(
    consortium: Consortium,  # noqa: F811
    opened: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    asyncio.run(ready(consortium, opened, "toy"))
    app = str(flower_app(tmp_path))
    adam = str(flower_app(tmp_path, server=SERVER.replace("FedAvg", "FedAdam")))
    _, errors = ended(consortium.start(1, *TRAIN, adam, "--node-config", "plus=1"), expect=1)
    assert "its strategy FedAdam makes the next model in its own way" in " ".join(errors.split())
    started = [
        consortium.start(i, *TRAIN, app, "--json", "--node-config", f"plus={i}") for i in (1, 2, 3)
    ]
    for process in started:
        output, _ = ended(process)
        events = [json.loads(line) for line in output.splitlines()]
        metrics = [e["metrics"]["round"] for e in events if e["event"] == "evaluated"]
        assert metrics == [1, 2]


def test_the_folder_runs_as_its_sources_say_whatever_lies_in_its_cache(tmp_path: Path) -> None:
    folder = flower_app(tmp_path)
    source = folder / folder.name / "server_app.py"
    text = source.read_text()
    source.write_text("raise SystemExit('poison')")
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), cache_from_source(str(source)), invalidation_mode=mode)
    source.write_text(text)
    file = AppFile(folder, {"QUORATE_NODE_CONFIG": "plus=1"})
    app = AppApart(file, tmp_path / "errors", {"rounds": 1}, lambda *said: None)
    try:
        app.start()
        model = app.initial_parameters({"round": 0, "seed": 1})
        assert app.fit(model, {"round": 1, "seed": 1})[1] == 10
    finally:
        app.close()
    assert [*folder.rglob("*.pyc")] == [Path(cache_from_source(str(source)))], "it left bytecode"
