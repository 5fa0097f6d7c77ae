"""A hospital's agent: it makes the key with the others, trains, contributes and helps to decrypt.

``Hospital`` is its door for programs, and the command goes through it as well. What is not in
``__all__`` may change. docs/library.md shows it at work.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from participant.errors import ParticipantError
    from participant.hospital import (
        Checked,
        Contributed,
        Decrypted,
        Exported,
        Hospital,
        HospitalStudy,
        Round,
    )
    from participant.network import Notices
    from participant.rounds import Question
    from participant.study import StudyStanding

_CHAPTERS = {
    "Notices": "network",
    "ParticipantError": "errors",
    "Question": "rounds",
    "StudyStanding": "study",
}
__all__ = [
    "Checked",
    "Contributed",
    "Decrypted",
    "Exported",
    "Hospital",
    "HospitalStudy",
    "Notices",
    "ParticipantError",
    "Question",
    "Round",
    "StudyStanding",
]


def __getattr__(name: str) -> Any:
    """What is exported, imported when it is asked for: the command says what is missing for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"participant.{_CHAPTERS.get(name, 'hospital')}"), name)
