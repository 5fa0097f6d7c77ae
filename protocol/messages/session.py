"""The name of a session: ceremony/1, check/1, handover/1, study/NAME, or study/NAME/7 for a round.

Here alone it is taken apart. A ceremony has steps, which have names of their own.
"""

from functools import lru_cache
from typing import Annotated, Literal, NamedTuple, cast

from msgspec import Meta

from protocol.messages.fields import NAME

_NUMBER = r"(0|[1-9][0-9]{0,8})"
_NUMBERED = rf"(ceremony|check|address|handover)/{_NUMBER}"
Session = Annotated[
    str, Meta(max_length=80, pattern=rf"^({_NUMBERED}|study/{NAME}(/{_NUMBER})?)\Z")
]
Kind = Literal["ceremony", "check", "address", "handover", "study", "round"]


class SessionName(NamedTuple):
    """What kind of session it is, and which one of that kind.

    "study": where a study is proposed and approved. "round": one of its rounds; in number 0 nothing
    is added, and members state the model that they begin with.
    """

    kind: Kind
    number: int = 0  # of all but a study
    study: str = ""  # of a study and its rounds

    @property
    def is_round(self) -> bool:
        """Whether contributions are added in it."""
        return self.kind == "round" and self.number > 0

    @property
    def name(self) -> str:
        """As people say it: ``cardio/7`` for a round."""
        if self.kind == "round":
            return f"{self.study}/{self.number}"
        return self.study or str(self.number)


@lru_cache(maxsize=4_096)  # asked for every entry, by everybody who reads the board
def read_session(session: str) -> SessionName:
    """The parts of a session's name."""
    kind, _, name = session.partition("/")
    if kind == "study":
        study, _, number = name.partition("/")
        return SessionName("round" if number else "study", int(number or 0), study)
    return SessionName(cast(Kind, kind), int(name))


def study_session(study: str) -> str:
    """Where a study is proposed, approved and ended."""
    return f"study/{study}"


def round_session(study: str, number: int) -> str:
    """The session of a study's round; 0 is where its first model is stated."""
    return f"study/{study}/{number}"


class StepId(NamedTuple):
    """A step of a ceremony; ``candidate`` is the one of its batch that the step is about."""

    name: str
    batch: int = 0
    candidate: int = 0

    @property
    def label(self) -> str:
        """The step in one string, as hashes and seals have it."""
        return f"{self.name}/{self.batch}/{self.candidate}"
