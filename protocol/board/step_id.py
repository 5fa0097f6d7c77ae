"""Which step of a ceremony a post belongs to."""

from typing import NamedTuple


class StepId(NamedTuple):
    """A step of a ceremony; ``candidate`` is the one of its batch that the step is about."""

    name: str
    batch: int = 0
    candidate: int = 0

    @property
    def label(self) -> str:
        """The step in one string, as hashes and seals have it."""
        return f"{self.name}/{self.batch}/{self.candidate}"
