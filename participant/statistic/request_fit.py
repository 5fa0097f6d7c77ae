"""Whether numbers are what a statistic round was asked for; if not, what differs and where."""

from collections.abc import Sequence
from typing import NamedTuple

from participant.statistic.numbers import Numbers
from protocol.board import Request
from protocol.words import shown
from protocol.words.counted import counted

OTHER_ROUND = (
    "ask the other members what this round sums. For anything else, give another --round name"
)
_MOST_SHOWN = 5  # labels


class Misfit(NamedTuple):
    """What differs, and what to do about it."""

    reason: str
    remedy: str


def misfit(numbers: Numbers, decimals: int | None, asked: Request, name: str) -> Misfit | None:
    """The first thing in which numbers differ from a request; None if they fit it.

    decimals: what the round must have, None for any; name: the round's.
    """
    if numbers.labels != asked.labels:
        return _of_labels(numbers, asked, name)
    if len(numbers.values) != asked.length:
        have = counted(len(numbers.values), "number")
        return Misfit(f"it has {have}, round {name} has {asked.length}", OTHER_ROUND)
    if decimals is not None and asked.decimals != decimals:
        reason = f"--decimals {decimals}, round {name} has {asked.decimals}"
        return Misfit(reason, f"leave --decimals out, or {OTHER_ROUND}")
    return None


def _of_labels(numbers: Numbers, asked: Request, name: str) -> Misfit:
    own, theirs = numbers.labels, asked.labels
    if not own:
        reason = f"its numbers have no labels, round {name} has {_listed(theirs)}"
        return Misfit(reason, "put each number's label before it, as in: label,12")
    if not theirs:
        what = counted(asked.length, "number")
        reason = f"its numbers have labels ({_listed(own)}), round {name} has {what} without labels"
        return Misfit(reason, "ask the other members for their order, then leave the labels out")
    here, there = set(own), set(theirs)
    if extra := [k for k, label in enumerate(own) if label not in there]:
        where = ", ".join(f"{shown(own[k])!r} ({numbers.where(k)})" for k in extra[:_MOST_SHOWN])
        reason = f"round {name} has no {where}{_and_more(len(extra))}"
    elif missing := [label for label in theirs if label not in here]:
        reason = f"it lacks {_listed(missing)}, which round {name} has"
    else:
        place = next(k for k in range(len(own)) if own[k] != theirs[k])
        reason = (
            f"it has the labels of round {name} in another order: {numbers.where(place)} is "
            f"{shown(own[place])!r}, number {place + 1} of the round is {shown(theirs[place])!r}"
        )
        return Misfit(reason, f"put its numbers in the round's order: {_listed(theirs)}")
    return Misfit(reason, f"the round's labels are {_listed(theirs)}. Take those, or {OTHER_ROUND}")


def _listed(labels: Sequence[str]) -> str:
    names = ", ".join(repr(shown(label)) for label in labels[:_MOST_SHOWN])
    return names + _and_more(len(labels))


def _and_more(count: int) -> str:
    return f" and {count - _MOST_SHOWN} more" if count > _MOST_SHOWN else ""
