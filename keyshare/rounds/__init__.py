"""What a round adds up: an update as integers, many of them in one plaintext, and their sum.

Start with ``slots``: it says what stands in which place of a contribution to a training round.
"""

from keyshare.rounds.packing import Packing, blind, ciphertext_count, pack, read_head, unpack
from keyshare.rounds.quantisation import Averager, Quantisation, Quantiser, largest_change
from keyshare.rounds.slots import SlotReader, Slots, SlotWriter
from keyshare.rounds.statistic import MAX_DECIMALS, decimals_of, decode, encode
from keyshare.rounds.tally import Counts, Marks, Tally
