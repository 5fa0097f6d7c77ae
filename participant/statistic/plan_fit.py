"""Whether numbers are what a statistic's plan asks for; if not, what differs and where."""

from collections.abc import Sequence
from typing import NamedTuple

from participant.statistic.numbers import Numbers
from protocol.messages import Statistic
from protocol.words import shown
from protocol.words.counted import counted

OTHER_STUDY = "see what the study sums: study show. Anything else is another study"
_MOST_SHOWN = 5  # labels


class Misfit(NamedTuple):
    """What differs, and what to do about it."""

    reason: str
    remedy: str


def misfit(numbers: Numbers, plan: Statistic, study: str) -> Misfit | None:
    """The first thing in which numbers differ from a plan; None if they fit it.

    study: its name.
    """
    if numbers.labels != plan.labels:
        return _of_labels(numbers, plan, study)
    if len(numbers.values) != plan.length:
        have = counted(len(numbers.values), "number")
        return Misfit(f"it has {have}, study {study} has {plan.length}", OTHER_STUDY)
    return None


def _of_labels(numbers: Numbers, plan: Statistic, study: str) -> Misfit:
    own, theirs = numbers.labels, plan.labels
    if not own:
        reason = f"its numbers have no labels, study {study} has {_listed(theirs)}"
        return Misfit(reason, "put each number's label before it, as in: label,12")
    if not theirs:
        what = counted(plan.length, "number")
        reason = (
            f"its numbers have labels ({_listed(own)}), study {study} has {what} without labels"
        )
        return Misfit(reason, "ask the other members for their order, then leave the labels out")
    here, there = set(own), set(theirs)
    if extra := [k for k, label in enumerate(own) if label not in there]:
        where = ", ".join(f"{shown(own[k])!r} ({numbers.where(k)})" for k in extra[:_MOST_SHOWN])
        reason = f"study {study} has no {where}{_and_more(len(extra))}"
    elif missing := [label for label in theirs if label not in here]:
        reason = f"it lacks {_listed(missing)}, which study {study} has"
    else:
        place = next(k for k in range(len(own)) if own[k] != theirs[k])
        reason = (
            f"it has the labels of study {study} in another order: {numbers.where(place)} is "
            f"{shown(own[place])!r}, number {place + 1} of the study is {shown(theirs[place])!r}"
        )
        return Misfit(reason, f"put its numbers in the study's order: {_listed(theirs)}")
    return Misfit(reason, f"the study's labels are {_listed(theirs)}. Take those, or {OTHER_STUDY}")


def _listed(labels: Sequence[str]) -> str:
    names = ", ".join(repr(shown(label)) for label in labels[:_MOST_SHOWN])
    return names + _and_more(len(labels))


def _and_more(count: int) -> str:
    return f" and {count - _MOST_SHOWN} more" if count > _MOST_SHOWN else ""
