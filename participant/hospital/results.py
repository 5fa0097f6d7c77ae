"""What a hospital's work comes to, as programs get it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Round:
    """A round of a study that trains, done here; members by name.

    loss, examples, metrics: what the app's ``evaluate`` says of the new model. events: what
    ``train --json`` prints of the round, in order. ``parameters()`` reads the model from the disk,
    in the form that the app has it; parameters that stay at home are in it as they are now.
    """

    study: str
    number: int
    contributors: tuple[str, ...]
    loss: float
    examples: int
    metrics: Mapping[str, Any]
    events: tuple[Event, ...] = field(repr=False)
    parameters: Callable[[], Any] = field(repr=False)


@dataclass(frozen=True)
class Contributed:
    """Numbers in a statistic.

    is_new: whether they are these ones; else what was contributed before stays. left_out: why they
    are in no sum, as ``status`` says it; empty as long as they may be.
    """

    study: str
    is_new: bool
    numbers: int
    decimals: int
    left_out: tuple[Event, ...]


@dataclass(frozen=True)
class Decrypted:
    """A round whose sum is open, or which this hospital has helped to open; members by name.

    round: study and number, as cardio/7. is_reader: whether this hospital is among the study's
    members, who alone read its sums. labels, sums: of a statistic, in the order of the numbers;
    sums is None after training, where the sum is an update of the model, and for who is no reader.
    wrong_partials: who sent a wrong part to this hospital.
    complaints, left_out: what the board says of members, as ``decrypt --json`` prints it.
    """

    round: str
    kind: str
    is_reader: bool
    contributors: tuple[str, ...]
    labels: tuple[str, ...]
    sums: tuple[Decimal, ...] | None
    wrong_partials: tuple[str, ...]
    complaints: tuple[Event, ...]
    left_out: tuple[Event, ...]


@dataclass(frozen=True)
class Checked:
    """A check of key shares together; members by number.

    decrypts: whether there are good parts of a quorum, and all of them give the test value. wrong:
    why a member's part is none.
    """

    session: str
    good: tuple[int, ...]
    wrong: Mapping[int, str]
    missing: tuple[int, ...]
    decrypts: bool


@dataclass(frozen=True)
class Exported:
    """A record; ``countersigned``: up to which entry, by name of the member that signed it.

    is_noted: whether the hospital has noted the board's head; not where its folder is only read.
    """

    entries: int
    head: str
    bytes_fetched: int
    countersigned: Mapping[str, int]
    is_noted: bool
