"""A hospital's part in handing the key over: to other members, or to the same ones anew."""

from participant.handover.errors import (
    AnotherHandover,
    BrokenRecord,
    HandoverGivenUp,
    NewShareLost,
    NoKeyToHandOver,
    NoRecord,
    NothingToHandOver,
    TooManySums,
)
from participant.handover.newcomer import begin_from_record
from participant.handover.own import OwnPlace, handover_task, is_at_work
from participant.handover.receipt import RECEIPT_NAME
from participant.handover.task import HandoverTask
from participant.handover.wish import Wish
