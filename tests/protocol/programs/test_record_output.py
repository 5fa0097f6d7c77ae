"""A record's folder, as either program writes to it."""

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from aggregator.record.output import RecordOutput as Aggregators
from participant.record.output import RecordOutput as Hospitals
from protocol.programs import record_output
from protocol.programs.temporary import sweep


@pytest.mark.parametrize("output", [Aggregators, Hospitals], ids=["aggregator", "hospital"])
def test_a_file_swept_before_it_could_be_locked_is_written_anew(
    output: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another export to the folder begins just then."""
    files, flock, sweeps = output(tmp_path / "record"), fcntl.flock, [tmp_path / "record"]

    def flock_after_a_sweep(descriptor: Any, how: int) -> None:
        if sweeps:
            sweep(sweeps.pop())
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock_after_a_sweep)
    files.write("record.json", b"{}")
    files.settle()
    assert not sweeps
    assert os.listdir(tmp_path / "record") == ["record.json"]
    assert (tmp_path / "record" / "record.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("output", [Aggregators, Hospitals], ids=["aggregator", "hospital"])
def test_no_more_files_are_waited_for_at_one_time_than_so_many(
    output: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of years has hundreds of thousands; in the end each is durable."""
    files, synced = output(tmp_path / "record"), list[Path]()
    monkeypatch.setattr(record_output, "_UNSETTLED", 3)
    monkeypatch.setattr(record_output, "sync", synced.append)
    paths = [tmp_path / "record" / "blobs" / f"{k}.bin" for k in range(7)]
    for path in paths:
        files.write(f"blobs/{path.name}", b"data")
    assert [path for path in synced if path in paths] == paths[:6]
    files.settle()
    assert [path for path in synced if path in paths] == paths
