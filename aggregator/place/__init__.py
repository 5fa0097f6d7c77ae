"""Where a board is: in the data folder, or in PostgreSQL; and how one process at a time has it."""

from aggregator.place.board import PlaceOfBoard, place_of_board
