"""Fuzzing of every decoder of network and file input; see docs/security/fuzzing.md."""
