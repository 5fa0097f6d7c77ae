"""Why a contribution is left out: what the board is told, and the detail for the status."""

from dataclasses import dataclass

from protocol.board import Posted
from protocol.messages import Omission, OmissionReason


@dataclass(frozen=True)
class Reason:
    """``code`` and ``other`` are posted; ``detail`` is told by the aggregator's status alone."""

    code: OmissionReason
    detail: str
    other: int = 0

    def about(self, posted: Posted) -> Omission:
        """What is said of a contribution that is left out for this reason."""
        return Omission(posted.post.sender, posted.digest, self.code, self.other)


TOO_NEAR = Reason(
    "differencing", "with it, the sum would differ by too few members from one that is open"
)
WITHDRAWN = Reason("withdrawn", "its approval did not stand from the opening to the closing")
TOO_LATE = Reason("late", "it came when the sum was being completed")
ANOTHER_OPENING = Reason("another-opening", "it is for another opening")


class Unfit(Exception):
    """A contribution cannot be added to a sum, for a reason that is to be said."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.detail)
        self.reason = reason
