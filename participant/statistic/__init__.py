"""Statistics: a hospital's numbers, and whether they fit what was asked for."""
