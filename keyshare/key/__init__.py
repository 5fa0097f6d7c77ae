"""The joint key at work: encryption, parts of a decryption, and putting them together.

A plaintext is encrypted with the public key alone. A member makes its part with its key share, and
a quorum of parts gives the plaintext.
"""

from keyshare.key import partial_decryption, threshold_key
from keyshare.key.dealer import deal_shares
from keyshare.key.deviation import part, vanishes
from keyshare.key.encryption import (
    Encryptor,
    add,
    check_ciphertext,
    check_ciphertexts,
    randomiser_base,
)
from keyshare.key.partial_decryption import combine, trial_ciphertext
from keyshare.key.phe_number import MAX_EXPONENT, decode, open_ciphertext
from keyshare.key.threshold_key import (
    JointKey,
    KeyShape,
    SecretShare,
    combine_exponents,
    key_shape,
    sliding_quorums,
    verification_base,
    verification_key,
)
