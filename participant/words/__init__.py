"""What two people read to each other: digests in words, and members' names."""

from participant.words.fingerprint import read_fingerprint
from participant.words.names import in_names
