"""Decoders of what training leaves on a hospital's disk: its journal, and samples of models."""

import math
from contextlib import suppress
from unittest import mock

import numpy as np
from msgspec import Raw

from participant.errors import ParticipantError
from participant.model import Layout, Model, checked, sample, sample_of
from participant.pruning.samples import SampledModels
from participant.report.facts import read_journal
from participant.study import Kept
from protocol.encoding import encode
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
