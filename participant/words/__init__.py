"""What two people read to each other: digests in words, members' names, where a study starts."""

from participant.words.fingerprint import read_fingerprint
from participant.words.names import in_names
from participant.words.start import start_words
