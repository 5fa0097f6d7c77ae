"""The door for programs: keys, ciphertexts, shares and parts as plain objects, checked."""

from keyshare.library.key_share import KeyShare, deal
from keyshare.library.public_key import Ciphertext, PublicKey
from keyshare.library.threshold_key import PartialDecryption, ThresholdKey, combine
