"""One-time lattice keys for long vectors: the joint key encrypts only these keys.

A vector that is encrypted under a one-time key is some tens of times smaller than under Paillier.
The keys add up as the vectors do, and the sum of the keys opens the sum of the vectors. Linear
fingerprints show whether the sum is that of the contributions.
"""

from keyshare.hybrid.checksum import (
    Checksum,
    ChecksumKey,
    read_checksum,
    sum_checksums,
    write_checksum,
)
from keyshare.hybrid.gaussian import sample
from keyshare.hybrid.key_packing import key_ciphertext_count, pack_key, unpack_key
from keyshare.hybrid.keystream import Keystream
from keyshare.hybrid.lattice import RINGS, S1, SIGMA_SQUARED, Lattice
from keyshare.hybrid.one_time_key import OneTimeKey, SummedKey, add_chunk, read_words, write_sum
