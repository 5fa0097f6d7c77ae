"""What errors and events say to people: what happened, and what to do about it."""

from participant.cli.sentences.errors import describe
from participant.cli.sentences.omissions import complaint_line, ends, left_out_line
from participant.cli.sentences.sentence import ABORTED, CHECK_FAILED, FAILED, Context, Sentence
from participant.cli.sentences.training import lines_of, round_of, rounding_cell
from participant.cli.sentences.waiting import (
    ceremony_remedy,
    round_waiting,
    step_words,
    waiting_event,
    waiting_line,
)
