"""The joint key as its members hold it: its public side, and each one's share."""

from protocol.key.epoch import (
    MAX_EPOCH_BYTES,
    Epoch,
    EpochSecret,
    HeldKey,
    HeldKeys,
    Number,
    epoch_of_state,
    epoch_secret,
    read_epoch,
    read_secret,
    to_number,
)
from protocol.key.proof_encoding import Proof, proof_context, read_proof, write_proof
