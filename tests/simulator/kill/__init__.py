"""A crash at every durable change of every role: all resume, or the others name who is missing."""
