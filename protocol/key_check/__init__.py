"""Whether key shares are whole: a test decryption of what nobody has chosen."""

from protocol.key_check.check import NONCE_BYTES, KeyCheck, is_whole
