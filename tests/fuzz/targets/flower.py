"""What a Flower app's folder and a hospital's command say of it, before anything of it is run."""

from contextlib import suppress
from typing import Any

from participant.flower import node_config_in, project_in
from protocol.errors import Malformed
from tests.fuzz.codecs import TOML
from tests.fuzz.target import Case, target

_PROJECT = b"""[project]
name = "lungs"
[tool.flwr.app.components]
serverapp = "lungs.server_app:app"
clientapp = "lungs.client_app:app"
[tool.flwr.app.config]
rounds = 3
sgd.lr = 0.1
"""


def _check(settings: dict[str, Any]) -> None:
    assert all(isinstance(value, bool | int | float | str) for value in settings.values())


@target("flower-project", "participant.flower.project.project_in", limit=8_192)
def flower_project() -> Case:
    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = project_in(data)
            for one in (found.serverapp, found.clientapp):
                module, _, name = one.partition(":")
                assert all(part.isidentifier() for part in f"{module}.{name}".split("."))
            _check(dict(found.config))

    return Case(run, [_PROJECT], TOML)


@target("node-config", "participant.flower.project.node_config_in", limit=8_192)
def node_config() -> Case:
    def run(data: bytes) -> None:
        with suppress(Malformed):
            _check(node_config_in(data.decode(errors="surrogateescape")))

    seeds = [b"partition-id=0 num-partitions=3", b"site='north wing' lr=0.5 on=true a.b=\"x\""]
    return Case(run, seeds, None)
