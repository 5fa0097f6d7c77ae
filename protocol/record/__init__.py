"""The record of a federation: its files, and how they are written."""
