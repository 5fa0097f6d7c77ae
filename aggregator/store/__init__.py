"""What the aggregator keeps on disk: the board, blobs, and the lock on its folder."""

from aggregator.store import unnamed_blobs
from aggregator.store.blob_folder import BlobFolder
from aggregator.store.blobs import BlobStore
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
from aggregator.store.whole_blobs import CheckedBlobs, WholeBlobs, require_name
