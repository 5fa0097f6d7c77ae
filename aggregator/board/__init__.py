"""The board of a service, with its rounds: whole on disk, and in memory what still counts."""

from aggregator.board.blobs import require_blobs
from aggregator.board.kept import KeptBoard, ReadBoard
from aggregator.board.summary import Summary, read_summary
