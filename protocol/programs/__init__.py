"""What both command lines share of the machine that they run on; the protocol needs none of it."""
