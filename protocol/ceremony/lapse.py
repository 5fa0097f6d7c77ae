"""When a step of a ceremony has lasted longer than the terms allow, as the board tells.

The aggregator sets the times of entries. So whoever lets a step's time pass is shown as silent, and
is no culprit for it. A step is *overdue* from the first entry on with which

    - a member says so (``Overdue``), and the board's times bear it out; or
    - t + 1 members have said so, one of whom is honest.

An honest member says so by its own clock. A clock of the aggregator's that runs ahead therefore
ends no ceremony before its time, and one that stands still holds none for ever: for the one it
needs a member that lies as well, for the other more than t members that keep quiet. Between two
entries nothing becomes overdue, so that all who have the board agree about it.
"""

from datetime import UTC, datetime

from protocol.board import Posted
from protocol.messages import MAX_REASON, Abort
from protocol.terms import Terms


class StepTime:
    """The time of the step that is under way; ``began_ms`` is None where none is set for it.

    since: the position of the entry from which on the step is overdue, 0 while it is not.
    """

    def __init__(self, terms: Terms, began_ms: int | None) -> None:
        self._terms, self._began_ms = terms, began_ms
        self._said: set[int] = set()
        self.since = 0

    def note(self, said: Posted) -> None:
        """Take an Overdue about this step."""
        if self._began_ms is None:
            return
        self._said.add(said.post.sender)
        is_late = said.time_ms - self._began_ms >= 1000 * self._terms.step_seconds
        one_is_honest = len(self._said) > (self._terms.n_members - 1) // 2
        if not self.since and (is_late or one_is_honest):
            self.since = said.position

    def abort(self, step: str, silent: tuple[int, ...]) -> Abort | None:
        """What is to be said because these members are silent in the step; None in its time."""
        if not self.since or not silent:
            return None
        assert self._began_ms is not None
        began = datetime.fromtimestamp(self._began_ms // 1000, UTC)
        reason = (
            f"silent: {', '.join(f'member {m}' for m in silent)}, waited for since "
            f"{began:%Y-%m-%d %H:%M:%S} UTC, longer than {self._terms.step_seconds} s"
        )
        return Abort(0, step, reason[:MAX_REASON], silent)
