"""What a hospital is waiting for, and for whom."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from protocol.board import Board
from protocol.messages import read_session
from protocol.rounds import Step

Kind = (
    Step
    | Literal["link", "stalled", "board", "upload", "vector", "join", "ceremony", "seeds"]
    | Literal[
        "approvals", "other-rounds", "held-back", "checksums", "check", "handover", "inheritance",
        "folder", "record", "app", "task",
    ]
)  # fmt: skip


class Waiting(NamedTuple):
    """What kind of step, and the numbers of those who have not done it; 0 is the aggregator.

    facts: as far as they are known, and as the words for its kind need them: ``session`` or
    ``round``, ``needed`` (so many members are enough; 0: it goes on without any in time),
    ``refused`` (numbers), ``until_seconds`` (of the whole wait, after which it goes on by itself),
    ``votes`` (so many end the study, where too few are left who would help with a sum),
    ``reason`` and ``remedy`` (of the aggregator or the link), ``whose`` vector (a number), ``step``
    of a ceremony, and for "agreement" those of the event "disagreement". ``study``: its name. For
    "approvals" so many are ``needed`` to "contribute" or to "open", ``what``. For "other-rounds",
    ``rounds``: those that must be over before this hospital contributes, as in cardio/7. For
    "folder", ``path``: of the folder, and who holds it: ``pid`` (None where it has not said), and
    for which ``command``.
    """

    kind: Kind
    members: tuple[int, ...] = ()
    facts: Mapping[str, Any] = MappingProxyType({})

    @property
    def study(self) -> str:
        """The study that it is about, empty if it is about none."""
        session = self.facts.get("session")
        return str(self.facts.get("study") or (read_session(session).study if session else ""))


def inheritance_waiting(board: Board) -> Waiting | None:
    """For whom a key that the terms take over waits; None once it counts, or if they take none.

    needed: so many have to say the same as most so far; more than there are where too many have
    said something else. One, of those who have, where the sums that come with it are not here.
    """
    if not board.terms.takes_over_key or board.epoch is not None:
        return None
    found = board.key.inheritance
    if found.missing_parts:  # all who have said the same have them
        have = tuple(m for m, word in found.said.items() if word == found.counted)
        return Waiting("inheritance", have, {"needed": 1})
    said = Counter(found.said.values())
    alike = max(said.values(), default=0)
    missing = tuple(found.missing)
    return Waiting("inheritance", missing, {"needed": board.terms.lock_threshold - alike})
