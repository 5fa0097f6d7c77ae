"""Proofs that a value is what it has to be, without showing the secret behind it."""
