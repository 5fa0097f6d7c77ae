"""Measurements, each a command; the last line of its output is one JSON object."""
