"""A service under attack, beside one that is left alone."""
