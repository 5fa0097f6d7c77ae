"""Training by the clock of a simulation: a round is found to be held back in virtual time."""

from collections.abc import Callable

from participant.training.task import TrainingTask


class ClockedTask(TrainingTask):
    """``now``: virtual seconds."""

    now: Callable[[], float] = staticmethod(lambda: 0.0)

    def _find(self) -> None:
        is_new = self._course is None
        super()._find()
        if is_new and self._course is not None:
            self._course._clock = self.now
