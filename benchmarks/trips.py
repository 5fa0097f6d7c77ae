"""How far a round's path through the code is: moves between files, from ``fit`` to the next model.

A move is a call from a function in one file of the four packages into one in another file, or the
return from it. One round of three hospitals is played under packed Paillier, at a table in memory
with the real aggregator; four stretches of it are counted:

    contribution   at one hospital, from what the app has fitted to the draft
    sum            at the aggregator, from the last contribution on its board to the closing
    lock           at one hospital, from the closing to the draft of its lock
    model          from the part that completes a quorum, said and read by all, to their models
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from aggregator.server import Aggregator
from protocol.board import Draft, Posted, decode_entry
from protocol.encoding import encode
from protocol.messages import Certificate
from protocol.wire import Accepted, Submit
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import SESSION
from tests.stage.toy import ToyEpoch, toy_epoch

_ROOT = Path(__file__).resolve().parents[1]
_OURS = tuple(f"{_ROOT / name}/" for name in ("keyshare", "protocol", "aggregator", "participant"))


class Trip:
    """Counts while it is entered."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was counted."""
        self.moves, self.files = 0, set[str]()

    def __enter__(self) -> None:
        sys.setprofile(self._see)

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, _: object) -> None:
        here = frame.f_code.co_filename
        if event in ("call", "return") and here.startswith(_OURS):
            self.files.add(here)
            self.moves += next(_ours(frame.f_back), here) != here


def _ours(frame: FrameType | None) -> Iterator[str]:
    """The files of the packages that a frame was called from, the nearest first."""
    while frame is not None:
        if (name := frame.f_code.co_filename).startswith(_OURS):
            yield name
        frame = frame.f_back


class _Fitting(Steps):
    """An app whose ``fit`` is where a trip begins."""

    def __init__(self, trip: Trip) -> None:
        super().__init__()
        self._trip = trip

    def fit(self, *given: Any) -> Any:
        found = super().fit(*given)
        self._trip.begin()
        return found


class _ServedTable(RoundTable):
    """A table with the real aggregator's board."""

    def __init__(self, toy: ToyEpoch, folder: Path) -> None:
        keys = toy.federation.keys
        self.service = Aggregator(toy.federation.terms, keys[0], folder, lambda: 0)
        super().__init__(toy)  # which founds the study
        for member in toy.federation.members:
            self.publish(member, Draft("ceremony/1", Certificate(bytes(32), encode(toy.epoch))))

    def publish(self, sender: int, draft: Draft) -> Posted:
        """Have the aggregator put a member's draft on its board, and all read it."""
        self.tell(sender, draft)
        self.follow()
        return self.board.entries[-1]

    def say(self, sender: int, draft: Draft) -> Posted:
        """As ``publish``."""
        return self.publish(sender, draft)

    def tell(self, sender: int, draft: Draft) -> None:
        assert not draft.blobs
        signed = self.sign(draft.session, sender, draft.body)
        (answer,) = self.service.receive(sender, Submit(signed))
        assert isinstance(answer, Accepted), answer

    def follow(self) -> None:
        """Let all read what is new on the board."""
        for data in self.service.entries_after(self.board.head.position).entries:
            posted = self.board.append(decode_entry(data))
            for index in self.tasks:
                self.show(index, posted)

    def speak(self, trip: Trip) -> None:
        """All say what is next; ``trip`` is that of the first."""
        with trip:
            drafts = {1: self.due(1)}
        drafts |= {member: self.due(member) for member in (2, 3)}
        for member, draft in drafts.items():
            if draft:
                self.publish(member, draft)


def measure(bits: int = 512) -> dict[str, dict[str, int]]:
    """Moves and files of each stretch, under a key of so many bits."""
    trips = {name: Trip() for name in ("contribution", "sum", "lock", "model")}
    with tempfile.TemporaryDirectory() as folder:
        table = _ServedTable(toy_epoch(3, 2, bits), Path(folder))
        for member, app in enumerate((_Fitting(trips["contribution"]), Steps(), Steps()), start=1):
            table.train(member, app)
        table.settle()
        table.service.tick()
        table.follow()  # the round is open
        table.speak(trips["contribution"])
        with trips["sum"]:
            while table.service.rounds.views[SESSION].closing is None:
                table.service.tick()
        table.follow()
        table.speak(trips["lock"])
        parts = {member: draft for member in (1, 2) if (draft := table.due(member))}
        table.publish(1, parts[1])
        table.tell(2, parts[2])
        with trips["model"]:
            table.follow()
        assert {getattr(task, "finished", None) for task in table.tasks.values()} == {1}
    return {name: {"moves": trip.moves, "files": len(trip.files)} for name, trip in trips.items()}
