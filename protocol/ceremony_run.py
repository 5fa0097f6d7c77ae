"""What one member knows in the course of a ceremony, and the shape of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from gmpy2 import mpz

from keyshare.modulus import CandidateShape, candidate_shape, expected_candidates
from keyshare.randomness import Stream, derive_key
from keyshare.shamir import zero_share
from keyshare.threshold_key import KeyShape, KeyShare
from protocol.encoding import digest, pack_numbers, unpack_numbers, width_of
from protocol.epoch import Epoch
from protocol.errors import CeremonyFailed, Malformed
from protocol.sealing import SealingKey
from protocol.terms import Terms

_BATCHES_EXPECTED = 4  # a ceremony needs about so many batches: few rounds, little overshoot


class StepId(NamedTuple):
    """A step of a ceremony; ``part`` is a level of reduction or a candidate's position."""

    name: str
    batch: int = 0
    part: int = 0


@dataclass
class Batch:
    """Candidates in work; lists alternate p, q of candidate 0, p, q of candidate 1, …"""

    number: int
    sharings: list[list[mpz]] = field(default_factory=list, repr=False)
    factor_shares: list[mpz] = field(default_factory=list, repr=False)
    factor_points: list[mpz] = field(default_factory=list, repr=False)
    moduli: list[mpz] = field(default_factory=list)
    survivors: list[int] = field(default_factory=list)
    passing: list[int] = field(default_factory=list)
    gap_points: tuple[mpz, mpz] = field(default=(mpz(0), mpz(0)), repr=False)


class CeremonyRun:
    """One member's knowledge; everything secret in it follows from the seed and the board."""

    def __init__(self, terms: Terms, index: int, session: str, seed: bytes) -> None:
        self.terms, self.index, self.session = terms, index, session
        self.shape: CandidateShape = candidate_shape(terms.key_bits, terms.n_members)
        self.context = digest("quorate/ceremony", terms.federation, session.encode())
        self.seed = derive_key(seed, self.context)
        self.sealing = SealingKey(derive_key(self.seed, "sealing"))
        self.sealing_keys: dict[int, bytes] = {}
        # Rounds get a key of their own: the ceremony's goes with the seed, and with it whatever
        # the shares on the board would tell a thief of vaults.
        self.epoch_sealing_seed = derive_key(self.seed, "epoch sealing")
        self.keys_sent = {j: derive_key(self.seed, "pairwise", j) for j in self.peers}
        self.keys_received: dict[int, bytes] = {}
        self.batch = Batch(0)
        self.batch_size = max(
            8, ceil(expected_candidates(terms.key_bits, terms.n_members) / _BATCHES_EXPECTED)
        )
        self.candidates_tried = self.tests_done = 0
        self.key_shape: KeyShape | None = None
        self.phi_point = self.beta_point = self.blind_point = mpz(0)
        self.theta_prime = mpz(0)
        self.share: KeyShare | None = None
        self.epoch: Epoch | None = None
        self.transcript = b""

    def __repr__(self) -> str:
        return f"CeremonyRun({self.session!r}, member {self.index}, <secret>)"

    @property
    def everyone(self) -> range:
        """All members."""
        return range(1, self.terms.n_members + 1)

    @property
    def peers(self) -> list[int]:
        """All members but this one."""
        return [j for j in self.everyone if j != self.index]

    def stream(self, *labels: str | int) -> Stream:
        """This member's own randomness for a purpose."""
        return Stream.derive(self.seed, *labels)

    def zero(self, *labels: str | int) -> Callable[[mpz], mpz]:
        """Draws this member's shares of zero for a purpose, one modulus after the other."""
        sent = [Stream.derive(key, *labels) for key in self.keys_sent.values()]
        received = [Stream.derive(key, *labels) for key in self.keys_received.values()]
        return lambda modulus: zero_share(sent, received, modulus)

    def modulus(self, candidate: int) -> mpz:
        """N of a candidate in the batch."""
        return self.batch.moduli[candidate]

    def factors(self, candidate: int) -> tuple[mpz, mpz]:
        """This member's additive shares p_i, q_i of a candidate in the batch."""
        p_share, q_share = self.batch.factor_shares[2 * candidate : 2 * candidate + 2]
        return p_share, q_share

    def lead(self, candidate: int) -> int:
        """A number that spreads the long exponents over the members."""
        return self.batch.number * self.batch_size + candidate


Columns = Sequence[Sequence[mpz]]


@dataclass(frozen=True)
class StepKind:
    """A step: who speaks, what is said to all and to each, and what follows from it.

    ``private`` gives every member's payload, this one's included. ``finish`` gets the payloads by
    sender and returns the next step; it names the sender of what does not fit.
    """

    name: str
    finish: Callable[[CeremonyRun, StepId, Mapping[int, bytes], Mapping[int, bytes]], StepId]
    public: Callable[[CeremonyRun, StepId], bytes] | None = None
    private: Callable[[CeremonyRun, StepId], dict[int, bytes]] | None = None
    senders: Callable[[CeremonyRun], range] = lambda run: run.everyone


def share_out(columns: Iterator[list[mpz]], bound: mpz, n_members: int) -> dict[int, bytes]:
    """Payload of each member from the sharings of one value after the other."""
    rows = zip(*columns, strict=True)
    width = width_of(bound)
    return {
        j: pack_numbers(row, width) for j, row in zip(range(1, n_members + 1), rows, strict=True)
    }


def read(
    payloads: Mapping[int, bytes], bound: mpz, count: int, step: StepId
) -> dict[int, list[mpz]]:
    """Each sender's ``count`` numbers below ``bound``; raises CeremonyFailed naming the sender."""
    found = {}
    for sender in sorted(payloads):
        try:
            found[sender] = unpack_numbers(
                payloads[sender], width_of(bound), count, bound, step.name
            )
        except Malformed as error:
            raise CeremonyFailed(sender, step.name, error.reason) from None
    return found


def add_rows(rows: Mapping[int, Sequence[mpz]], modulus: mpz) -> list[mpz]:
    """Position by position, the sum of all senders' numbers."""
    return [sum(column, mpz(0)) % modulus for column in zip(*rows.values(), strict=True)]
