"""What the aggregator keeps on disk: the board, blobs, and the lock on its folder."""

from aggregator.store import unnamed_blobs
from aggregator.store.blob_folder import BlobFolder
from aggregator.store.blobs import BlobStore
from aggregator.store.board import BoardStore
from aggregator.store.chain import Chain
from aggregator.store.database import (
    NO_END,
    BoardDatabase,
    BoardTables,
    NoTables,
    RoundVector,
    Row,
    in_order,
)
from aggregator.store.durable import disk_errors
from aggregator.store.health import StorageHealth, Trouble
from aggregator.store.lock import AlreadyRunning, hold, holder, share
from aggregator.store.sqlite import SqliteBoard, to_read
from aggregator.store.stored import StoredBoard, stored_head
from aggregator.store.whole_blobs import CheckedBlobs, WholeBlobs, require_name
