"""The key handed over to other members or another quorum: same modulus, new shares."""

from protocol.handover.attempt import Attempt, HandoverWord, Rosters
from protocol.handover.conduct import (
    OwnState,
    due,
    is_to_make_dealing,
    is_to_store_share,
    may_erase_new,
    may_erase_old,
)
