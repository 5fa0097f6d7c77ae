"""What errors and events say to people: what happened, and what to do about it."""
