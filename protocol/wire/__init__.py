"""The wire: what a member and the aggregator say to each other, inside one connection.

``frames`` has every frame. ``handshake`` is how a connection begins, and ``channel`` what seals all
that follows. ``allowance`` says how often something may come. Nothing here knows a socket.
"""

from protocol.wire.allowance import Allowance
from protocol.wire.channel import MAX_SEALED_BYTES, SealedChannel
from protocol.wire.frames import (
    CHUNK_BYTES,
    DIRECT_BYTES,
    MAX_FRAME_BYTES,
    MAX_PAGE_BYTES,
    REQUESTED_BYTES,
    Accepted,
    BlobAbsent,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    Challenge,
    Confirmation,
    Declined,
    Entries,
    FromAggregator,
    FromMember,
    Hello,
    NewerCard,
    Rejected,
    StatusReport,
    StatusRequest,
    Submit,
    Subscribe,
    Ticket,
    TicketRequest,
    Welcome,
    begins_newer_card,
    decode_confirmation,
    decode_from_aggregator,
    decode_from_member,
)
from protocol.wire.handshake import AggregatorHandshake, Introduced, MemberHandshake, TurnedAway
