"""A round: what is contributed, which sets of it may be opened, and how they are opened.

Start with ``view``, which reads a round from the board, and ``decryption``, which says what a
hospital has to say in it. ``set_rules`` and ``history`` have the rules that no member can be talked
out of.
"""

from protocol.rounds.awaited import (
    Awaited,
    Step,
    awaited_after,
    awaited_in,
    is_locked,
    is_lost,
    outlasts_end,
)
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    add_encrypted,
    check_proof,
    check_proof_in_steps,
    lattice_context,
    multiply_in_steps,
    proof_context,
    proved_plaintexts,
    read_ciphertexts,
    read_in_steps,
    write_ciphertexts,
)
from protocol.rounds.complaints import Judged, judge_complaint
from protocol.rounds.decryption import Ledger, RoundMember
from protocol.rounds.history import Difference, OpenedSets, sums_up_to
from protocol.rounds.known import PastRound, RoundsState
from protocol.rounds.partial_payload import LockedSum
from protocol.rounds.set_rules import check_set
from protocol.rounds.statistic import NO_MODEL, decode_sums, opening_for
from protocol.rounds.variables import Start
from protocol.rounds.vector_checks import SumVerdict, checksum_key, claims_of, judge_sum
from protocol.rounds.view import LeftOut, RoundView, bounds_of, left_out, read_training
