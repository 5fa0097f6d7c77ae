"""What two people read to each other: digests in words, and members' names."""
