"""The joint key at work: encryption, parts of a decryption, and putting them together."""
