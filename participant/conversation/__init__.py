"""The data conversation with a training process: its frames, its messages, and models in them.

Only what a training process needs is said here: models and what came of them. Nothing of it
approves, opens, or asks for keys.
"""

from participant.conversation.channel import Channel
from participant.conversation.entries import parameters_in, parameters_said, said_and_values
from participant.conversation.frames import HELLO, Frames, Limits
from participant.conversation.messages import (
    VERSION,
    AppAsksModel,
    AppBegins,
    AppFailed,
    AppHello,
    AppUpdate,
    EntrySaid,
    FromApp,
    Scored,
    read_message,
)
from participant.conversation.tensors import Values, read_tensors
