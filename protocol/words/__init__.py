"""What people read of others' words: text made harmless, counts, durations."""

from protocol.words.counted import number_of
from protocol.words.foreign import FIELD, decoded, is_plain, json_text, line, lines, pasted, shown
from protocol.words.joiners import without
from protocol.words.rounds import due, round_name, ways_out, why_left_out
from protocol.words.signatures import lacking
