"""The terms of a federation: the signed file that every member reads, and what may stand in it."""
