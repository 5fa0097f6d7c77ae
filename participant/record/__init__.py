"""The record of a federation, as a hospital writes and reads it."""
