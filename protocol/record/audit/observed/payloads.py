"""The payloads of a record, each read when it is asked for."""

from dataclasses import dataclass

from protocol.errors import Malformed
from protocol.messages import Attachment, blob_name
from protocol.record import RecordFiles, blob_path
from protocol.words.counted import counted

_ANOTHER_COPY = "take it from another copy of the record"


@dataclass(frozen=True)
class RecordedPayloads:
    """Of the posts whose attachments are shown to it."""

    files: RecordFiles

    def __call__(self, attachment: Attachment) -> bytes:
        """The bytes of an attachment; raises Malformed if its blob is not there as named.

        What is in the post itself was checked by the board.
        """
        if not attachment.is_blob:
            return attachment.data
        path = blob_path(attachment.digest)
        try:
            data = self.files.read(path, attachment.size)
        except Malformed as error:
            raise Malformed(path, f"{error.reason}; {_ANOTHER_COPY}") from None
        if data is None:
            raise Malformed(path, f"this copy of the record lacks that file; {_ANOTHER_COPY}")
        if len(data) != attachment.size:
            differs = f"it has {counted(len(data), 'byte')}, by the entry {attachment.size}"
            raise Malformed(path, f"{differs}; {_ANOTHER_COPY}")
        if blob_name(data) != attachment.digest:
            raise Malformed(path, f"it has not the hash that its name gives; {_ANOTHER_COPY}")
        return data
