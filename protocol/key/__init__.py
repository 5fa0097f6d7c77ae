"""The joint key as its members hold it: its public side, each one's share, and a test of them."""

from protocol.key.check import NONCE_BYTES, KeyCheck, is_whole
from protocol.key.epoch import (
    Epoch,
    EpochSecret,
    HeldKey,
    Number,
    certified_by_all,
    epoch_of,
    epoch_of_state,
    epoch_secret,
    read_epoch,
    read_secret,
    to_number,
)
from protocol.key.proof_encoding import Proof, proof_context, read_proof, write_proof
