"""A Flower app's folder: what its ServerApp would send, and what its ClientApp answers."""

import math
import os
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from participant.app.app import LoadedApp, load_app
from participant.errors import BadApp
from tests.participant.flower.folders import CLIENT, SERVER, flower_app

pytestmark = pytest.mark.flower
FIRST = {"round": 0, "seed": 7}
OLD_CLIENT = """
    from flwr.client import NumPyClient

    class Old(NumPyClient):
        def get_parameters(self, config):
            return [np.random.rand(3)]

        def fit(self, parameters, config):
            return [p + config.get("plus", 1.0) for p in parameters], 12, {"accuracy": 0.5}

        def evaluate(self, parameters, config):
            return float(parameters[0][0]), 6, {"accuracy": 0.75}

    app = ClientApp(client_fn=lambda context: Old().to_client())
"""
OLD_SERVER = """
    from flwr.common import ndarrays_to_parameters
    from flwr.server import Server, ServerAppComponents, ServerConfig, SimpleClientManager
    from flwr.server import strategy as old

    def server_fn(context):
        return ServerAppComponents(strategy=old.FedAvg(
            min_available_clients=5,
            on_fit_config_fn=lambda number: {"plus": number / 2},
            initial_parameters=ndarrays_to_parameters([np.random.rand(3)]),
        ), config=ServerConfig(num_rounds=3))

    app = ServerApp(server_fn=server_fn)
"""
SENDS_ITSELF = """
    app = ServerApp()

    @app.main()
    def main(grid, context):
        nodes = list(grid.get_node_ids())
        content = RecordDict({
            "arrays": record(w=np.ones(2)),
            "config": ConfigRecord({"server-round": 1, "plus": 1.0}),
        })
        grid.send_and_receive([Message(content, nodes[0], "train")], timeout=3)
        raise AssertionError("it goes on")
"""


@pytest.fixture(autouse=True)
def _this_hospitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_NODE_CONFIG", "plus=1.5 site='north'")


def loaded(folder: Path, **code: str) -> LoadedApp:
    return load_app(flower_app(folder, **code), folder / "errors")


def refused(folder: Path, why: str, **code: str) -> BadApp:
    with pytest.raises(BadApp, match=why) as caught:
        loaded(folder, **code).initial_parameters(FIRST)
    return caught.value


def failed_fit(folder: Path, why: str, client: str) -> BadApp:
    app = loaded(folder, client=client)
    model = app.initial_parameters(FIRST)
    with pytest.raises(BadApp, match=why) as caught:
        app.fit(model, {"round": 1, "seed": 7})
    return caught.value


def test_each_round_is_a_message_with_the_agents_model_and_the_servers_config(
    tmp_path: Path,
) -> None:
    app = loaded(tmp_path)
    model = app.initial_parameters(FIRST)
    assert {k: v.shape for k, v in model.items()} == {"w": (2, 3), "b": (2,)}
    trained, examples, metrics = app.fit(model, {"round": 1, "seed": 7})
    assert np.array_equal(trained["w"], model["w"] + np.float32(2.0))  # of node and run config
    assert list(trained) == ["w", "b"]
    assert (examples, metrics["train_loss"]) == (10, 0.25)
    loss, examples, metrics = app.evaluate(trained, {"round": 4, "seed": 7})
    assert (loss, examples, metrics["round"]) == (0.5, 5, 4)


def test_the_initial_model_follows_from_the_seed_alone(tmp_path: Path) -> None:
    one, other = loaded(tmp_path), loaded(tmp_path)
    first = one.initial_parameters(FIRST)
    np.random.rand(5)  # another hospital's app has drawn otherwise meanwhile
    assert np.array_equal(first["w"], other.initial_parameters(FIRST)["w"])
    assert not np.array_equal(first["w"], one.initial_parameters({"round": 0, "seed": 8})["w"])


def test_a_strategys_own_configs_are_those_of_the_round(tmp_path: Path) -> None:
    server = """
        class Falling(FedProx):
            def configure_train(self, server_round, arrays, config, grid):
                config["plus"] = 8.0 / server_round
                arrays = record(w=arrays["w"].numpy() * 0)
                return super().configure_train(server_round, arrays, config, grid)

        app = ServerApp()

        @app.main()
        def main(grid, context):
            model = record(w=np.ones(2))
            Falling(proximal_mu=0.1, fraction_evaluate=0.0).start(grid, model)
    """
    app = loaded(tmp_path, server=server)
    model = app.initial_parameters(FIRST)
    for number, plus in ((1, 9.5), (2, 5.5)):
        trained, _, _ = app.fit(model, {"round": number, "seed": 7})
        assert np.array_equal(trained["w"], [1 + plus] * 2), "not the agent's model"
    loss, examples, metrics = app.evaluate(model, {"round": 1, "seed": 7})
    assert math.isnan(loss)
    assert (examples, metrics) == (0, {})


def test_a_numpy_client_of_the_older_api_works_alike(tmp_path: Path) -> None:
    app = loaded(tmp_path, client=OLD_CLIENT, server=OLD_SERVER)
    model = app.initial_parameters(FIRST)
    trained, examples, metrics = app.fit(model, {"round": 3, "seed": 7})
    np.testing.assert_array_equal(trained["0"], model["0"] + 1.5)
    assert (examples, metrics["accuracy"]) == (12, 0.5)
    loss, examples, metrics = app.evaluate(model, {"round": 3, "seed": 7})
    assert (loss, examples, metrics["accuracy"]) == (model["0"][0], 6, 0.75)


def test_an_older_server_that_would_ask_a_client_has_this_hospitals_own(tmp_path: Path) -> None:
    asks = "\n".join(line for line in OLD_SERVER.splitlines() if "initial_parameters=" not in line)
    apps = [loaded(tmp_path, client=OLD_CLIENT, server=asks) for _ in range(2)]
    models = [app.initial_parameters(FIRST)["0"] for app in apps]
    assert models[0].shape == (3,)
    assert np.array_equal(*models)


def test_a_server_that_sends_by_itself_is_ended_at_its_first_message(tmp_path: Path) -> None:
    app = loaded(tmp_path, server=SENDS_ITSELF)
    model = app.initial_parameters(FIRST)
    trained, _, _ = app.fit(model, {"round": 2, "seed": 7})
    assert np.array_equal(trained["w"], [3.5, 3.5])
    assert app.evaluate(model, {"round": 2, "seed": 7})[2]["round"] == 2


@pytest.mark.parametrize("name", ["FedAdam", "Krum"])
def test_a_strategy_that_changes_the_model_at_the_server_is_refused_by_name(
    tmp_path: Path, name: str
) -> None:
    error = refused(
        tmp_path, f"its strategy {name} makes .* FedAvg", server=SERVER.replace("FedAvg", name)
    )
    assert error.function.startswith("serverapp flower_app_")


def test_an_aggregation_of_the_apps_own_is_refused_too(tmp_path: Path) -> None:
    own = """
        class Halved(FedAvg):
            def aggregate_train(self, server_round, replies):
                return super().aggregate_train(server_round, replies)
    """
    refused(
        tmp_path,
        "its strategy Halved",
        server=dedent(own) + dedent(SERVER).replace("FedAvg", "Halved"),
    )
    starts = """
        class Own(Krum):
            def start(self, grid, initial_arrays, **settings):
                grid.send_and_receive(self.configure_train(1, initial_arrays, ConfigRecord(), grid))
    """
    refused(
        tmp_path,
        "its strategy Own",
        server=dedent(starts) + dedent(SERVER).replace("FedAvg(", "Own("),
    )


def test_an_older_strategy_or_server_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    adam = OLD_SERVER.replace("old.FedAvg", "old.FedAdam")
    refused(tmp_path, "its strategy FedAdam", client=OLD_CLIENT, server=adam)
    own = OLD_SERVER.replace(
        "config=ServerConfig",
        "server=Own(client_manager=SimpleClientManager()), config=ServerConfig",
    ).replace("def server_fn", "class Own(Server): pass\n\n    def server_fn")
    refused(tmp_path, "its server Own", client=OLD_CLIENT, server=own)


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("app = ServerApp()\n@app.main()\ndef main(grid, context): pass", "it ends without"),
        (SENDS_ITSELF.replace('"train"', '"query.size"'), "it sends query first"),
        (SENDS_ITSELF.replace('[Message(content, nodes[0], "train")]', "[]"), "it sends nothing"),
        (
            SENDS_ITSELF.replace('"config":', '"more": ArrayRecord(), "config":'),
            "2 records of arrays",
        ),
        (SERVER.replace("w=model, b=np.zeros(2)", ""), "no arrays"),
        ("app = 3", "serverapp flower_app_.*: it is int, and not ServerApp"),
        ("other = ServerApp()", "its module has no app"),
        ("import nowhere_to_be_found", "ModuleNotFoundError.*nowhere.*server_app.py:"),
        (SERVER.replace("np.random.rand(2, 3)", "1 / 0"), "ZeroDivisionError.*server_app.py"),
    ],
)
def test_a_server_that_cannot_be_used_is_said(tmp_path: Path, server: str, why: str) -> None:
    refused(tmp_path, why, server=server)


def test_a_component_that_is_nowhere_is_named(tmp_path: Path) -> None:
    folder = flower_app(tmp_path)
    path = folder / "pyproject.toml"
    text = path.read_text()
    for where, why in (
        ("absent.client_app:app", "there is no module absent in"),
        (f"{folder.name}.absent:app", rf"there is no module {folder.name}\.absent in"),
        ("json.decoder:JSONDecoder", "'json': rename the package"),
    ):
        path.write_text(text.replace(f"{folder.name}.client_app:app", where))
        with pytest.raises(BadApp, match=why) as caught:
            load_app(folder, None)
        assert caught.value.function == f"clientapp {where}"


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        ('"num-examples": 10, ', "", "it returns no metric num-examples"),
        ("10,", "10.5,", "num-examples is 10.5"),
        ('"arrays": record(**arrays),', "", "it returns 0 records of arrays"),
        (
            "return Message(RecordDict(content), reply_to=message)",
            "return None",
            "returns NoneType",
        ),
        (
            "return Message(RecordDict(content), reply_to=message)",
            "return Message(Error(2, 'no patients'), reply_to=message)",
            "answers with an error: no patients",
        ),
        ('"arrays": record(**arrays),', '"a": 1,', "AttributeError|TypeError|ValueError"),
    ],
)
def test_an_answer_that_cannot_be_used_is_said(
    tmp_path: Path, was: str, now: str, why: str
) -> None:
    assert was in CLIENT
    failed_fit(tmp_path, why, CLIENT.replace(was, now, 1))


def test_entries_come_back_in_the_order_in_which_they_were_given(tmp_path: Path) -> None:
    for now, found in (("dict(reversed(arrays.items()))", ["w", "b"]), ("{'b': 1}", ["b"])):
        app = loaded(tmp_path, client=CLIENT.replace("**arrays", f"**{now}"))
        trained, _, _ = app.fit(app.initial_parameters(FIRST), {"round": 1, "seed": 7})
        assert list(trained) == found


def test_what_the_client_raises_is_told_with_its_place_and_kept_whole(tmp_path: Path) -> None:
    error = failed_fit(
        tmp_path,
        r"ZeroDivisionError.* \(client_app.py:\d+\)",
        CLIENT.replace("arrays = {", "1 / 0; arrays = {", 1),
    )
    (kept,) = (tmp_path / "errors").iterdir()
    assert str(kept) in error.reason
    assert "in train" in kept.read_text()


def test_a_client_without_train_is_told(tmp_path: Path) -> None:
    failed_fit(tmp_path, "No train function registered", CLIENT.replace("@app.train()", ""))


def test_a_node_config_in_the_environment_is_read_as_strictly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_NODE_CONFIG", "north")
    with pytest.raises(BadApp, match="'north' is not NAME=VALUE") as caught:
        loaded(tmp_path)
    assert caught.value.function == "--node-config"


def test_flower_is_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLWR_TELEMETRY_ENABLED", raising=False)
    loaded(tmp_path)
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
