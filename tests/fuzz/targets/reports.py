"""Decoders of what a report is made from."""

import math
from contextlib import suppress

from participant.errors import ParticipantError
from participant.report.facts import read_journal
from tests.fuzz.target import Case, target
from tests.fuzz.targets.texts import scratch


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
