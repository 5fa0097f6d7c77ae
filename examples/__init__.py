"""Worked examples: the demo of a whole federation, and apps to start one's own from."""
