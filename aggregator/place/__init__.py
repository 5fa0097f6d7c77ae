"""Where a board and its blobs are: in the data folder, in PostgreSQL, in an object store.

And how one process at a time has them.
"""

from aggregator.place.blobs import PlaceOfBlobs, blobs_at
from aggregator.place.board import PlaceOfBoard, place_of_board
