"""The service in the middle: it orders what is said, keeps it, and adds what it cannot read."""
