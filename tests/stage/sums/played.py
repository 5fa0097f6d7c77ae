"""A scheduler that is played in this process, and whose tasks end as a test wants."""

from typing import Any

from aggregator.sums.on_dask import OnDask


class Task:
    """As Dask's future of a task."""

    def __init__(self) -> None:
        self.status = "pending"
        self._found: Any = None

    def done(self) -> bool:
        return self.status != "pending"

    def result(self) -> Any:
        return self._found

    exception = result

    def answer(self, found: object) -> None:
        """A worker has done it."""
        self.status, self._found = "finished", found

    def fail(self, error: Exception) -> None:
        """A worker has raised something."""
        self.status, self._found = "error", error

    def lose(self) -> None:
        """The scheduler is gone."""
        self.status = "cancelled"


class PlayedScheduler:
    """In the place of a connection, and of its client."""

    def __init__(self) -> None:
        self.place = "tcp://127.0.0.1:1"
        self.client: PlayedScheduler | None = self
        self.tasks: list[Task] = []

    def submit(self, *given: object, pure: bool) -> Task:
        self.tasks.append(Task())
        return self.tasks[-1]


def on_played(scheduler: PlayedScheduler) -> OnDask:
    """A summation that asks it."""
    played: Any = scheduler
    return OnDask(played)
