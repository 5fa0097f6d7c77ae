"""What people read of others' words: text made harmless, counts, durations."""

from protocol.words.counted import number_of
from protocol.words.foreign import FIELD, decoded, is_plain, json_text, line, lines, pasted, shown
from protocol.words.handovers import handover_lines, key_lines
from protocol.words.joiners import without
from protocol.words.rounds import (
    barred_by,
    due,
    lost,
    round_name,
    vector_lines,
    ways_out,
    why_left_out,
)
from protocol.words.signatures import lacking
