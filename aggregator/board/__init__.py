"""The board of a service, with its rounds: whole on disk, and in memory what still counts."""

from aggregator.board.kept import KeptBoard
from aggregator.board.summary import Summary, read_summary
