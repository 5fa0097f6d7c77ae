"""A study's plan as a file of this hospital: read it, and write a new one."""

from pathlib import Path

from participant.disk import read, write_new
from protocol.board import Study
from protocol.errors import BadPlan
from protocol.study import parse_plan, render_plan
from protocol.terms import Terms
from protocol.words import decoded

_LIMIT = 1 << 20  # bytes of a plan; its labels take most of it


def read_plan(path: Path, terms: Terms) -> Study:
    """The study that a file plans; raises BadPlan, MissingFile, WrongKind, TooLarge, DiskError."""
    data = read(path, _LIMIT, "plan")
    try:
        text = decoded(data)
    except UnicodeDecodeError:
        raise BadPlan("file", "it is not text in UTF-8: save it as UTF-8") from None
    return parse_plan(text, terms)


def write_plan(path: Path, study: Study) -> None:
    """Create a plan's file, for people to read and edit.

    Raises FileExists; BadPlan, naming the field, on a study that the federation cannot have.
    """
    text = render_plan(study)
    parse_plan(text, study.terms)
    write_new(path, text.encode())
    path.chmod(0o644)  # a plan is no secret: members pass it around
