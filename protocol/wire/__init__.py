"""The wire: what a member and the aggregator say to each other, inside one connection.

``frames`` has every frame. ``allowance`` says how often something may come. Nothing here knows a
socket.
"""

from protocol.wire.allowance import Allowance
from protocol.wire.frames import (
    CHUNK_BYTES,
    MAX_FRAME_BYTES,
    MAX_PAGE_BYTES,
    REQUESTED_BYTES,
    Accepted,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    Challenge,
    Declined,
    Entries,
    FromAggregator,
    FromMember,
    Hello,
    Rejected,
    StatusReport,
    StatusRequest,
    Submit,
    Subscribe,
    Welcome,
    check_hello,
    decode_from_aggregator,
    decode_from_member,
    hello,
)
