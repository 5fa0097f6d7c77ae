"""Blobs on their way up and down, in chunks that can be lost, repeated or cut short."""

from __future__ import annotations

from collections.abc import Iterable

from participant.errors import DamagedBlob
from protocol.messages import Attachment, blob_name
from protocol.wire import CHUNK_BYTES, BlobChunk, BlobHave, BlobOffer, BlobRequest


class Uploads:
    """The blobs that the pending post needs at the aggregator."""

    def __init__(self) -> None:
        self._missing: dict[bytes, bytes] = {}

    @property
    def complete(self) -> bool:
        """Whether the aggregator has acknowledged every blob."""
        return not self._missing

    def start(self, blobs: Iterable[bytes]) -> list[BlobChunk]:
        """The first chunk of each blob, unasked: what is new, the aggregator cannot have."""
        self._missing = {blob_name(blob): blob for blob in blobs}
        return [self._chunk(name, 0) for name in self._missing]

    def resume(self, blobs: Iterable[bytes]) -> list[BlobOffer]:
        """Offer blobs that may be there in part; the aggregator's answers say where to go on."""
        self._missing = {blob_name(blob): blob for blob in blobs}
        return self.offers()

    def offers(self) -> list[BlobOffer]:
        """An offer of each blob not yet acknowledged; repeating it does no harm."""
        return [BlobOffer(name, len(blob)) for name, blob in self._missing.items()]

    def acknowledged(self, have: BlobHave) -> BlobChunk | None:
        """The next chunk after what the aggregator holds, None if that was the last."""
        blob = self._missing.get(have.digest)
        if blob is None:
            return None
        if have.offset >= len(blob):
            del self._missing[have.digest]
            return None
        return self._chunk(have.digest, have.offset)

    def _chunk(self, name: bytes, offset: int) -> BlobChunk:
        blob = self._missing[name]
        return BlobChunk(name, len(blob), offset, blob[offset : offset + CHUNK_BYTES])


class Downloads:
    """The blobs that entries name and this member needs; what arrives is checked by its name."""

    def __init__(self) -> None:
        self._wanted: dict[bytes, tuple[int, bytearray]] = {}
        self._done: dict[bytes, bytes] = {}

    def want(self, attachment: Attachment) -> BlobRequest | None:
        """Ask for a blob unless it is here or on its way."""
        name = attachment.digest
        if name in self._done or name in self._wanted:
            return None
        self._wanted[name] = (attachment.size, bytearray())
        return BlobRequest(name, 0)

    def requests(self) -> list[BlobRequest]:
        """A request for the rest of each blob on its way; repeating it does no harm."""
        return [BlobRequest(name, len(have)) for name, (_, have) in self._wanted.items()]

    def received(self, chunk: BlobChunk) -> BlobRequest | None:
        """Keep a chunk, and ask for the next. Raises DamagedBlob if the whole has another name."""
        if chunk.digest not in self._wanted:
            return None
        size, have = self._wanted[chunk.digest]
        if chunk.size != size:
            raise DamagedBlob(chunk.digest)
        if chunk.offset != len(have) or not chunk.data:
            return None
        if len(have) + len(chunk.data) > size:
            raise DamagedBlob(chunk.digest)
        have += chunk.data
        if len(have) < size:
            return BlobRequest(chunk.digest, len(have))
        del self._wanted[chunk.digest]
        if blob_name(bytes(have)) != chunk.digest:
            raise DamagedBlob(chunk.digest)
        self._done[chunk.digest] = bytes(have)
        return None

    def take(self, name: bytes) -> bytes | None:
        """A blob that has arrived."""
        return self._done.get(name)

    def drop(self, name: bytes) -> None:
        """Forget a blob that has been used."""
        self._done.pop(name, None)
