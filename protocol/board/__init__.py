"""The board: what members say, how much of it there may be, and the one order it has for all."""
