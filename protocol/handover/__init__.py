"""The key handed over to other members or another quorum: same modulus, new shares."""

from protocol.handover.attempt import Attempt, HandoverWord, Rosters, word_of
from protocol.handover.awaited import HandoverAwaited, HandoverStep, handover_awaited
from protocol.handover.conduct import (
    OwnState,
    due,
    is_to_make_dealing,
    is_to_store_share,
    may_erase_new,
    may_erase_old,
)
from protocol.handover.handed import AnyFault, ContentFault, dealing_of, trial_of
from protocol.handover.machine import HandoverMember
from protocol.handover.shelf import MAX_KEPT_BYTES, OLD_SHARE, Shelf, share_of
from protocol.handover.succession import Succession
from protocol.handover.view import NOBODY, HandoverView, Misdeed
