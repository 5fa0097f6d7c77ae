"""What the aggregator keeps on disk: the board, blobs, and the lock on its folder."""
