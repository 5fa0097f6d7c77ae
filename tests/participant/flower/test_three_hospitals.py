"""The example apps without quorate's lines, at three hospitals: averages are FedAvg's in clear."""

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from participant.app import app_seed
from participant.app.app import LoadedApp, load_app
from participant.errors import BadApp
from participant.hospital import Hospital
from protocol.messages import Training
from tests.participant.flower.folders import CLIENT, SERVER, flower_app
from tests.participant.hospital.conftest import cheap, consortium, opened  # noqa: F401
from tests.stage.consortium import Consortium

pytestmark = pytest.mark.flower
EXAMPLES = Path(__file__).parents[3] / "integrations" / "quorate_flower"
ROUNDS, CLIP = 2, 8.0
ROUNDING = CLIP / 2**16  # the first round of the hybrid suite has some 17 bits for 2 * CLIP
Model = Mapping[str, np.ndarray]


@pytest.fixture
def plain(tmp_path: Path) -> Callable[[str], Path]:
    """Copies an example as it was before quorate: its README's diff, the other way round."""
    file = EXAMPLES / "tests" / "stage" / "example.py"
    spec = importlib.util.spec_from_file_location("example", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda name: cast(Path, module.before(name, tmp_path))


def node_config(index: int) -> dict[str, str]:
    return {"QUORATE_NODE_CONFIG": f"partition-id={index - 1} num-partitions=3 plus={index}"}


async def trained(hospitals: list[Hospital], name: str, app: Path) -> list[list[Any]]:
    """What each hospital has after each round."""

    work = (trained_at(h, name, i, app) for i, h in enumerate(hospitals, 1))
    return list(await asyncio.gather(*work))


async def trained_at(hospital: Hospital, name: str, index: int, app: Path) -> list[Any]:
    rounds = hospital.study(name).train(app, variables=node_config(index), timeout=100)
    return [done async for done in rounds]


async def ready(made: Consortium, opens: Any, name: str) -> list[Hospital]:
    """Hospitals with a key that have approved a study."""
    made.planned(name, Training(ROUNDS, CLIP, 32, 1_000))
    hospitals = [opens(index) for index in (1, 2, 3)]
    await asyncio.gather(*(h.ceremony() for h in hospitals))
    await hospitals[0].propose(made.folder / f"{name}.toml")
    for hospital in hospitals:
        await hospital.study(name).approve(unpinned=True)
    return hospitals


def at_all_nodes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[LoadedApp]:
    """The same app at three nodes in this process."""
    apps = []
    for index in (1, 2, 3):
        (variable,) = node_config(index).items()
        monkeypatch.setenv(*variable)
        apps.append(load_app(folder, None))
    return apps


def in_clear(apps: list[LoadedApp], model: Model, config: dict[str, Any]) -> tuple[Model, float]:
    """The next model, averaged as FedAvg does; by how much a hospital's own is another."""
    answers = [app.fit(dict(model), config) for app in apps]
    total = sum(examples for _, examples, _ in answers)
    average = {
        name: sum(np.float64(examples) * trained[name] for trained, examples, _ in answers) / total
        for name in model
    }
    spread = max(float(np.abs(average[name] - answers[0][0][name]).max()) for name in model)
    return average, spread


@pytest.mark.parametrize("name", ["sklearn", "pytorch"])
async def test_an_unmodified_app_comes_to_the_averages_of_fedavg(
    consortium: Consortium,  # noqa: F811
    opened: Any,  # noqa: F811
    plain: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    app = plain(name)
    hospitals = await ready(consortium, opened, "digits")
    ends = await trained(hospitals, "digits", app)
    assert ends[0][-1].contributors == ("H1", "H2", "H3")
    seed = app_seed((await hospitals[0].study("digits").standing()).study)
    apps = at_all_nodes(app, monkeypatch)
    (model, *others) = [one.initial_parameters({"round": 0, "seed": seed}) for one in apps]
    for number in range(1, ROUNDS + 1):
        due, spread = in_clear(apps, model, {"round": number, "seed": seed})
        assert spread > 100 * ROUNDING
        model, *others = [rounds[number - 1].parameters() for rounds in ends]
        for entry in (name for name in due if model[name].dtype.kind == "f"):
            assert all(np.array_equal(model[entry], one[entry]) for one in others), entry
            np.testing.assert_allclose(model[entry], due[entry], rtol=0, atol=ROUNDING)


async def test_an_app_that_cannot_be_used_ends_its_training_and_is_named(
    consortium: Consortium,  # noqa: F811
    opened: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    hospitals = await ready(consortium, opened, "toy")
    for code, why in (
        ({"server": SERVER.replace("FedAvg", "FedAdam")}, "its strategy FedAdam"),
        ({"client": "import nowhere_to_be_found"}, "No module named 'nowhere_to_be_found'"),
    ):
        with pytest.raises(BadApp, match=why):
            await trained_at(hospitals[0], "toy", 1, flower_app(tmp_path, **code))
    wide = flower_app(
        tmp_path, client=CLIENT.replace("a.numpy() + plus", "np.append(a.numpy(), plus)")
    )
    work = (trained_at(h, "toy", i, wide) for i, h in enumerate(hospitals, 1))
    for error in await asyncio.gather(*work, return_exceptions=True):
        assert isinstance(error, BadApp)
        assert "'w', has shape (7,) instead of (2, 3)" in str(error)
