"""What a round adds up: an update as integers, many of them in one plaintext, and their sum."""
