"""What is said in a check of key shares."""

from typing import Annotated

from msgspec import Meta

from protocol.encoding import Message
from protocol.messages.attachment import Attachment
from protocol.messages.fields import Digest


class CheckRequest(Message, frozen=True, tag="check"):
    """A member asks for a test decryption under this epoch; its post fixes what is decrypted."""

    epoch: Digest
    nonce: Annotated[bytes, Meta(min_length=32, max_length=32)]


class CheckPart(Message, frozen=True, tag="check part"):
    """A member's partial decryption of the test value with its proof (a ProvenPart), for all."""

    request: Digest
    payload: Attachment
