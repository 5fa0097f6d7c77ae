"""What the fields of posts may hold: sizes, ranges and characters, each said once."""

import sys
from typing import Annotated, Literal

from msgspec import Meta

from keyshare.ceremony import MAX_MEMBERS
from keyshare.rounds import MAX_DECIMALS

MAX_INLINE_BYTES = 4_096  # a payload up to this size travels in the post, a larger one as a blob
MAX_BLOB_BYTES = 64 << 20
MAX_POST_BYTES = 256 << 10
MAX_ATTACHMENTS = MAX_MEMBERS + 1  # one for each member, and one for all
MAX_NUMBERS = 100_000  # in a statistic
MAX_LABELS_BYTES = 64 << 10  # of a statistic's labels, encoded: 2,000 of 32 bytes
MAX_ENTRIES_BYTES = 64 << 10  # of the list of a model's entries, encoded: some 1,300 of 50 bytes
MAX_CHUNKS = 4_096  # of a vector
MAX_SEALING_KEY_BYTES = 2_048
MAX_LENGTH = 1 << 30  # of a vector
MAX_NEAR = 64  # rounds that a contribution names

SuiteName = Literal["paillier", "hybrid", "hybrid-s2"]

Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Index = Annotated[int, Meta(ge=0, le=MAX_MEMBERS)]
# Guests of a handover have the numbers after the members'.
Sender = Annotated[int, Meta(ge=0, le=2 * MAX_MEMBERS)]
Count = Annotated[int, Meta(ge=0, lt=1 << 48)]
MAX_REASON = 500
# For people: one line without control characters; ``foreign.shown`` deals with all the rest.
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z"
Text = Annotated[str, Meta(max_length=MAX_REASON, pattern=ONE_LINE)]
# For programs: a step of a ceremony, a rule of a round.
Word = Annotated[str, Meta(max_length=32, pattern=r"^[a-z][a-z0-9 -]*\Z")]
Clip = Annotated[float, Meta(ge=0, le=sys.float_info.max)]  # refuses NaN and infinity too
Decimals = Annotated[int, Meta(ge=0, le=MAX_DECIMALS)]
# In clear on the board, shown beside the sums. No control characters, nor blanks at the ends.
Label = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?\Z",
    ),
]
# Of a study, and what a statistic calls its data.
NAME = r"[a-z][a-z0-9._-]{0,63}"
# Of a framework's run, such as flower/1234, for which a study is trained; empty for none.
RUN = r"[!-~]{1,200}"
RunName = Annotated[str, Meta(pattern=rf"^({RUN})?\Z")]
StudyName = Annotated[str, Meta(pattern=rf"^{NAME}\Z")]
Chunks = Annotated[tuple[Digest, ...], Meta(max_length=MAX_CHUNKS)]
