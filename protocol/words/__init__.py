"""What people read of the protocol: others' text made harmless, counts, durations."""
