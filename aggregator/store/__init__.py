"""What the aggregator keeps on disk: the board, blobs, and the lock on its folder."""

from aggregator.store import unnamed_blobs
from aggregator.store.blobs import BlobStore, require_stored, stored_blob
from aggregator.store.board import BoardStore, check_end, pruned_in, stored_head
from aggregator.store.database import (
    NO_END,
    BoardDatabase,
    ReadEntries,
    RoundVector,
    Row,
    in_order,
    no_entries,
)
from aggregator.store.durable import disk_errors
from aggregator.store.health import StorageHealth, Trouble
from aggregator.store.lock import AlreadyRunning, hold, holder, share
from aggregator.store.sqlite import SqliteBoard, stored_pruned, to_read
