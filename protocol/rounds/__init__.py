"""A round: what is contributed, the rules by which a set of it may be opened, and its opening."""
