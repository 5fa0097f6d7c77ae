"""Decoders of what training needs and leaves: a Flower app's folder, a journal, model samples."""

import math
from contextlib import suppress
from typing import Any
from unittest import mock

import numpy as np
from msgspec import Raw

from participant.errors import ParticipantError
from participant.flower import node_config_in, project_in
from participant.model import Layout, Model, checked, sample, sample_of
from participant.pruning.samples import SampledModels
from participant.report.facts import read_journal
from participant.study import Kept
from protocol.encoding import encode
from protocol.errors import Malformed
from tests.fuzz.codecs import TOML
from tests.fuzz.target import Case, target
from tests.fuzz.targets.texts import scratch
from tests.simulator.disk import Disk
from tests.stage.toy import model_secret


@target("journal", "participant.report.facts.metrics.read_journal", limit=8_192)
def journal() -> Case:
    path = scratch() / "journal.jsonl"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(ParticipantError):
            found = read_journal(path)
            for metric in found.metrics:
                assert metric.name.isprintable()
                assert all(k >= 0 and math.isfinite(v) for k, v in metric.values.items())

    lines = (
        b'{"round": 1, "event": "evaluated", "loss": 0.5, "metrics": {"accuracy": 0.9}}\n'
        b'{"round": 2, "event": "trained", "seconds": 3.5}\n'
        b'{"round": 2, "event": "evaluated", "loss": NaN}\n'
    )
    return Case(run, [lines, b'{"round": 1, "event": "evaluated", "metrics": []}\n'], None)


def _model(size: int) -> Model:
    entries = {"a": np.zeros(size, np.float32), "b": np.zeros((2, 2))}
    return Model.of(checked(entries, Layout.of(entries), "initial_parameters"))


@target("sampled-model", "participant.pruning.samples, participant.model.sample", limit=8_192)
def sampled_model() -> Case:
    """As if this hospital itself had sealed it: what does not open is never read."""
    disk, start = Disk(), _model(200)
    samples = SampledModels(model_secret(1), disk)
    kept = Kept("s", 1, b"", 1.0, disk.read)
    with mock.patch.multiple(sample, EVENLY=50, BY_SIZE=50):
        sampled = sample_of(start)
    whole = sample_of(start)
    name = "studies/s/sample-0"

    def run(data: bytes) -> None:
        disk.write(name, data)
        assert samples.kept("s", 0) is None, "a sample opens that nobody has sealed"
        samples.keep("s", 0, Raw(data))  # type: ignore[arg-type]
        found = samples.kept("s", 0)
        assert found is None or encode(found) == data
        assert samples.of(kept, b"x" * 32) in (None, found)
        if found is not None:
            assert samples.is_near(found, start, 1.0) in (True, False)

    return Case(run, [encode(sampled), encode(whole)])


# ── a Flower app, before anything of it is run ──

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
