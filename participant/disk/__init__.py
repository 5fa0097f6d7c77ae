"""Files that are whole or absent, and one process at a time on a folder."""
