"""The record's folder that a hospital writes to."""

from pathlib import Path

from participant.disk import make_folder
from participant.errors import DiskError
from participant.record.folder import Places, RecordFolder
from protocol.errors import WrongKind
from protocol.programs.file_kind import Kind, kind_of
from protocol.programs.record_output import PUBLIC_FOLDER, OutputFolder


class RecordOutput(OutputFolder, RecordFolder):
    """The files of a folder, which is made if it is missing; raises DiskError, WrongKind.

    Unlike a RecordFolder it needs no ``record.json``: that is what will be written last.
    """

    def __init__(self, folder: Path) -> None:
        if (found := kind_of(folder)) in (Kind.HOME, Kind.SERVICE):
            raise WrongKind(str(folder), str(found), "record")
        is_new = not folder.exists()
        make_folder(folder)
        if is_new:
            folder.chmod(PUBLIC_FOLDER)
        OutputFolder.__init__(self, folder, DiskError.of)
        self._places = Places()  # of the folder that is there now
