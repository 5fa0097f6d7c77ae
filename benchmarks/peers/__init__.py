"""Other packages at the same work."""
