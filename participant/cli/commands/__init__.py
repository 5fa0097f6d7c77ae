"""The commands, one file a chapter: what is typed, and which task it begins."""
