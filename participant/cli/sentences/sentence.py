"""What a sentence about an error consists of, and what it may refer to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from participant.home import federation_folder
from participant.words import in_names
from protocol.terms import Terms
from protocol.words import pasted

FAILED, REFUSED, ABORTED, CHECK_FAILED, BY_SIGNAL = 1, 3, 4, 5, 128  # usage errors: 2
COMMAND = "quorate-participant"


@dataclass
class Context:
    """What the command was about; filled in as it becomes known."""

    home: Path | None = None
    file: Path = Path("federation.toml")
    terms: Terms | None = None
    is_home_given: bool = False  # as an option; else the environment or the system says it
    is_statistic: Callable[[str], bool] = lambda study: False  # as far as the board is known
    old: Path | None = None  # the terms that those in ``file`` succeed
    plan: Path | None = None  # the file of a study's plan
    option_of: Callable[[str], str] = lambda field: ""  # that gave a field of what is being written

    @property
    def pasted(self) -> str:
        """The terms' file as an argument of a command that any member may paste."""
        return pasted(self.file)

    @property
    def here(self) -> str:
        """The same for a command of this hospital: with the data folder that was given."""
        return self.pasted + self._home

    @property
    def there(self) -> str:
        """The same with the terms whose board is spoken on: in a handover, the old ones."""
        return pasted(self.old or self.file) + self._home

    @property
    def _home(self) -> str:
        return f" --home {pasted(self.home)}" if self.is_home_given and self.home else ""

    @property
    def restores(self) -> str:
        """How a key share that is lost comes back: from a backup, or a new one with the others."""
        return (
            f"{COMMAND} key restore FILE {self.here}; without a backup all members type: "
            f"{COMMAND} key refresh {self.pasted}"
        )

    def placed(self, name: str) -> str:
        """Where a file of this hospital is, by its name in the federation's folder."""
        path = Path(name)
        if self.home is not None and self.terms is not None:
            path = federation_folder(self.home, self.terms.federation) / path
        return pasted(path)

    def name(self, member: int) -> str:
        """A member's name."""
        return self.terms.name_of(member) if self.terms else f"member {member}"

    def names(self, members: Sequence[int]) -> str:
        """Several members' names."""
        return ", ".join(self.name(m) for m in members) or "nobody"

    def reason(self, text: str) -> str:
        """A reason from the board, with names for the members' numbers in it."""
        return in_names(text, self.terms) if self.terms else text


@dataclass(frozen=True)
class Sentence:
    """``what`` went wrong and who did it; ``remedy`` is what to do, empty if nothing is."""

    what: str
    remedy: str
    exit_code: int = FAILED


Said = dict[type[Exception], Callable[[Any, Context], Sentence]]  # of errors, by their class


def in_a_row(said: Sequence[str]) -> str:
    """Clauses as sentences, each but the first with a capital."""
    return ". ".join([*said[:1], *(one[:1].upper() + one[1:] for one in said[1:])])


def plain(what: str, remedy: str, exit_code: int = FAILED) -> Callable[[Any, Context], Sentence]:
    """A sentence with the error's fields as ``{e.field}`` and the context's as ``{c.field}``.

    ``{who}``: the members that the error is about, by name.
    """

    def sentence(e: Any, c: Context) -> Sentence:
        who = c.names(getattr(e, "members", [getattr(e, "sender", 0)]))
        return Sentence(what.format(e=e, c=c, who=who), remedy.format(e=e, c=c), exit_code)

    return sentence
