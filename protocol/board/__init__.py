"""The board: what members say, how much each may say, and the one order that all see.

``messages`` has everything that can be said, ``board`` the chain of signed posts, and ``budget``
what a member may put there. The classes of a ceremony's candidates and the suite of a round stand
here too, since budgets follow from them.
"""

from protocol.board.board import (
    MAX_ENTRY_BYTES,
    MIN_ENTRY_BYTES,
    B,
    Board,
    Entry,
    Head,
    Post,
    Posted,
    SignedPost,
    decode_entry,
    firsts,
    genesis,
    is_aborted,
    of_kind,
    sign_post,
)
from protocol.board.budget import Surplus
from protocol.board.certification import Certification
from protocol.board.classes import CandidateLayout
from protocol.board.draft import Draft, Envelope, public_payload
from protocol.board.fields import (
    MAX_ATTACHMENTS,
    MAX_BLOB_BYTES,
    MAX_CHUNKS,
    MAX_ENTRIES_BYTES,
    MAX_INLINE_BYTES,
    MAX_LABELS_BYTES,
    MAX_LENGTH,
    MAX_NEAR,
    MAX_NUMBERS,
    MAX_POST_BYTES,
    MAX_REASON,
    NAME,
    Count,
    Digest,
    Index,
    Label,
    Signature,
    StudyName,
)
from protocol.board.messages import (
    Abort,
    Attachment,
    Body,
    CardSeen,
    Certificate,
    CheckPart,
    CheckRequest,
    Ciphertexts,
    Closing,
    Complaint,
    Contribution,
    Contributor,
    Disclosure,
    Join,
    ModelEntries,
    ModelEntry,
    Omission,
    OmissionReason,
    Opening,
    Overdue,
    Partial,
    Refusal,
    SetLock,
    Statement,
    Step,
    Text,
    attach,
    attachments_of,
    blob_name,
    chunks_of,
    purpose_of,
)
from protocol.board.payload_sizes import chunk_count, expected_count, labels_bytes
from protocol.board.plan import Approval, Ending, Plan, Statistic, Training, Withdrawal, plan_digest
from protocol.board.session import (
    Session,
    SessionName,
    StepId,
    read_session,
    round_session,
    study_session,
)
from protocol.board.study import Studies, Study, StudyState, check_plan
from protocol.board.suite import Suite, suite_for, suite_of
