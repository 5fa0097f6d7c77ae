"""An app that is not in this process, as training sees it: an object, with what it is told."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from participant.app.calls import Config


@dataclass(frozen=True)
class Stood:
    """Where a hospital stands after a round, as it may be told outside: nothing of the model.

    model: its digest, 32 bytes. contributors: whose updates are in the sum, by name. in_sum:
    whether this hospital's is. chosen: digest of the set that the closing chose; empty before the
    first round. reason: why the model has stayed as it was; empty where it has not.
    """

    round: int
    model: bytes
    contributors: tuple[str, ...] = ()
    in_sum: bool = False
    chosen: bytes = b""
    reason: str = ""


class AppElsewhere(ABC):
    """The functions of an app; whoever calls them waits, in a thread for that.

    local_entries: patterns of the entries that stay at the hospital. is_asked: whether the app has
    asked to train from the model that this hospital stands at. run: of a framework, for which it
    trains.
    """

    local_entries: tuple[str, ...] = ()

    @property
    def is_asked(self) -> bool:
        return True

    @property
    def run(self) -> str:
        return ""

    @abstractmethod
    def prepare(self, config: Config) -> None:
        """Begin, and have the model that ``initial_parameters`` is to be asked for first."""

    @abstractmethod
    def start(self) -> None:
        """Begin, if it has not."""

    @abstractmethod
    def initial_parameters(self, config: Config) -> Any:
        """As of App."""

    @abstractmethod
    def fit(self, parameters: Any, config: Config) -> tuple[Any, int, Config]:
        """As of App."""

    @abstractmethod
    def evaluate(self, parameters: Any, config: Config) -> tuple[float, int, Config]:
        """As of App."""

    @abstractmethod
    def give_up(self) -> None:
        """Let the call that is under way raise Stopped, in any thread; ``revive`` comes next."""

    @abstractmethod
    def revive(self) -> None:
        """Before a call: begin anew where the call before was given up."""

    @abstractmethod
    def close(self, error: Exception | None = None) -> None:
        """End, in any thread, for good. error: what has ended training, if it is not over."""

    @abstractmethod
    def stand(self, stood: Stood, give: Callable[[], Any]) -> None:
        """This hospital stands there now. give: the model, as the app is given it."""

    @abstractmethod
    def sums_before(self, found: dict[int, bool]) -> None:
        """In which of the last rounds' sums this hospital's update is."""

    @abstractmethod
    def hear(self, number: int, event: str, facts: dict[str, Any]) -> None:
        """What happens in a round, as the journal has it."""
