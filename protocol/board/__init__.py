"""The board: what members say, how much each may say, and the one order that all see.

What can be said is in ``protocol.messages``. ``board`` has the chain of signed posts, ``budget``
what a member may put there, and ``key_history`` which key counts. The classes of a ceremony's
candidates and the suite of a round stand here too, since budgets follow from them.
"""

from protocol.board.board import Board
from protocol.board.budget import Surplus
from protocol.board.classes import CandidateLayout
from protocol.board.draft import Draft, Envelope, public_payload
from protocol.board.handover import Handover, Handovers
from protocol.board.inheritance import Inheritance
from protocol.board.key_history import (
    Certification,
    KeyFrom,
    KeyHistory,
    certified_by_all,
    epoch_of,
    is_aborted,
)
from protocol.board.payload_sizes import chunk_count, expected_count, labels_bytes
from protocol.board.post import (
    MAX_ENTRY_BYTES,
    MIN_ENTRY_BYTES,
    POST_SIGNATURE,
    B,
    Entry,
    Head,
    Milliseconds,
    OpenedEntry,
    Post,
    Posted,
    SignedPost,
    attachments_fit,
    begins_entry,
    decode_entry,
    entry_hash,
    firsts,
    genesis,
    of_kind,
    sign_post,
)
from protocol.board.rest import BoardState, PostedEntries, runs
from protocol.board.study import AWAY, DAYS_AFTER_END, Studies, Study, StudyState, check_plan
from protocol.board.suite import Suite, suite_for, suite_of
