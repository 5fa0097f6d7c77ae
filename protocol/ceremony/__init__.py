"""The key ceremony: its steps, the machine that takes them, and the verdict on one that failed."""
