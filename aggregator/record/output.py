"""The record's folder that a service writes to."""

from pathlib import Path

from aggregator.errors import StoreFull
from aggregator.store import disk_errors
from protocol.errors import Malformed, WrongKind
from protocol.programs.file_kind import Kind, kind_of
from protocol.programs.record_output import OutputFolder


class RecordOutput(OutputFolder):
    """The files of a folder, which is made if it is missing; raises StoreFull, WrongKind."""

    def __init__(self, folder: Path) -> None:
        if (found := kind_of(folder)) not in (None, Kind.FOLDER, Kind.RECORD):
            raise WrongKind(str(folder), str(found), "record")
        super().__init__(folder, StoreFull.of)

    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes of a file, None if there is none; raises Malformed beyond the limit."""
        with disk_errors(self.folder / path):
            try:
                with (self.folder / path).open("rb") as file:
                    data = file.read(limit + 1)
            except FileNotFoundError:
                return None
        if len(data) > limit:
            raise Malformed(path, f"it has more than {limit} bytes")
        return data
