"""The name of a session: ceremony/1, round/0, check/1, address/1 or statistic/NAME.

Here alone it is taken apart.
"""

from typing import Annotated, NamedTuple

from msgspec import Meta

_NUMBERED = r"(ceremony|round|check|address)/(0|[1-9][0-9]{0,8})"
_NAMED = r"statistic/[a-z][a-z0-9._-]{0,63}"
Session = Annotated[str, Meta(max_length=80, pattern=rf"^({_NUMBERED}|{_NAMED})\Z")]


class SessionName(NamedTuple):
    """What kind of session it is, and which one of that kind."""

    kind: str
    name: str

    @property
    def number(self) -> int:
        """Of any but a statistic."""
        return int(self.name)

    @property
    def opens(self) -> str:
        """The kind of what is opened in it: "training", "statistic", or nothing."""
        return {"round": "training", "statistic": "statistic"}.get(self.kind, "")

    @property
    def is_round(self) -> bool:
        """Whether contributions are added in it: to a training round, or to a statistic."""
        return self.opens != ""


def read_session(session: str) -> SessionName:
    """The two parts of a session's name."""
    kind, _, name = session.partition("/")
    return SessionName(kind, name)
