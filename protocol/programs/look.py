"""A look at what lies at a path, for the sentence about what was given in place of another."""

from pathlib import Path

from protocol.programs.file_kind import LOOKED_AT, Kind, kind_of_data, kind_of_folder


def kind_of(path: Path) -> Kind | None:
    """The kind of a file or folder; FILE or FOLDER for any other, None if there is none."""
    try:
        if path.is_dir():
            return kind_of_folder(lambda name: (path / name).exists())
        if not path.is_file():
            return Kind.FILE if path.exists() else None
        with path.open("rb") as file:
            return kind_of_data(file.read(LOOKED_AT)) or Kind.FILE
    except OSError:
        return None
