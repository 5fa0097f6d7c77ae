"""A hospital's own folder: its identity, its passphrase, its terms, its secrets under a seal."""
