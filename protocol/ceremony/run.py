"""What one member knows in the course of a ceremony, and the shape of a step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from keyshare.ceremony import Dealing, Lanes, deal_factors, exponent
from keyshare.ceremony.lanes import lanes
from keyshare.handover import KeyState
from keyshare.key import JointKey, KeyShape, SecretShare
from keyshare.randomness import Stream, derive_key
from protocol.board import CandidateLayout
from protocol.encoding import digest
from protocol.key import Epoch
from protocol.messages import StepId as StepId
from protocol.sealing import SealingKey
from protocol.terms import Terms

Rows = tuple[mpz, mpz]  # of a class: the shares of p and those of q

OBSERVER = 0  # the number of who has no part in a ceremony and follows what is said to all


@dataclass(frozen=True)
class Batch:
    """Candidates in work; classes and candidates are numbered as in the layout."""

    number: int
    leaves: Sequence[bytes] = field(default=(), repr=False)  # own ones, class after class
    dealings: Mapping[int, Dealing] = field(default_factory=dict, repr=False)  # own, by class
    roots: Mapping[int, bytes] = field(default_factory=dict)  # the commitment to leaves, by dealer
    # The rows of p and q received, by class and dealer.
    points: Mapping[int, Mapping[int, Rows]] = field(default_factory=dict, repr=False)
    moduli: tuple[mpz, ...] = ()
    survivors: tuple[int, ...] = ()
    witnesses: Mapping[int, Mapping[int, mpz]] = field(default_factory=dict)
    passing: Sequence[int] = ()
    # Commitments to test exponents of candidates that passed the screen, but no more.
    failed: Mapping[int, Mapping[int, mpz]] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A candidate that passed the screen, as what becomes N."""

    number: int
    n: mpz
    u: mpz  # base of all commitments: v mod N
    shape: KeyShape


@dataclass(frozen=True)
class Winner(Candidate):
    """The candidate that becomes the key; what is known of it."""

    exponents: Mapping[int, mpz]  # u^(x_i), by dealer
    blinds: Sequence[mpz]  # u^a for the coefficients of (ΔR)(x)
    # This member's point of each dealer's Δx_i.
    exponent_points: Mapping[int, mpz] = field(default_factory=dict, repr=False)
    # This member's points of Δφ/4, Δβ and ΔR.
    points: tuple[mpz, ...] = field(default=(), repr=False)


class CeremonyRun:
    """One member's knowledge; everything secret in it follows from the seed and the board.

    Each step replaces what it adds to by a new value, and changes none in place.

    An observer gets no shares and has none: it checks the half of each step that is public, and
    what it chooses at random for that follows from its seed.
    """

    state: KeyState  # from the end of the step "theta" on, as the next two
    key: JointKey
    share: SecretShare  # but never an observer's
    epoch: Epoch  # from the end of the trial on

    def __init__(self, terms: Terms, index: int, session: str, seed: bytes) -> None:
        self.terms, self.index, self.session = terms, index, session
        self.layout = CandidateLayout(terms)
        self.shape = self.layout.shape
        self.rows: Lanes = lanes(self.shape.field_exponent, self.layout.class_size)
        self.context = digest("quorate/ceremony", terms.federation, session.encode())
        self.seed = derive_key(seed, self.context)
        self.seed_digest = seed_digest(self.context, seed)
        self.sealing = SealingKey(derive_key(self.seed, "sealing"))
        self.sealing_keys: dict[int, bytes] = {}
        # Rounds get a key of their own: the ceremony's goes with the seed, and with it whatever
        # the shares on the board would tell a thief of vaults.
        self.epoch_sealing_seed = derive_key(self.seed, "epoch sealing")
        self.keys_sent = {j: derive_key(self.seed, "pairwise", j) for j in self.peers}
        self.keys_received: dict[int, bytes] = {}
        self.commitments: dict[int, bytes] = {}  # to what the next step opens, by sender
        self.transcript = b""  # hash of the last entry of the step before
        self.batch, self.next_batch = Batch(-1), Batch(-1)
        self.candidates_tried = self.tests_done = 0
        self.winner: Winner | None = None
        self._said: tuple[StepId, bytes] | None = None

    def __repr__(self) -> str:
        return f"CeremonyRun({self.session!r}, member {self.index}, <secret>)"

    @property
    def is_observer(self) -> bool:
        """Whether this is nobody's machine, with nothing sealed to it."""
        return self.index == OBSERVER

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

    def zero_row(self, rows: Lanes, *labels: str | int) -> mpz:
        """This member's additive shares of zero for a purpose, one in each lane.

        z_i = Σ_j PRF(k_{i→j}) - Σ_j PRF(k_{j→i}); the z_i of all members add up to 0, and those of
        any set but all are uniform for who lacks two of the members' keys
        [Cramer, Damgård, Ishai, TCC 2005, §3, additive case].
        """
        total = mpz(0)
        for key in self.keys_sent.values():
            total += rows.expand(derive_key(key, *labels))
        for key in self.keys_received.values():
            total += rows.negate(rows.expand(derive_key(key, *labels)))
        return rows.reduce(total)

    def prepared(self, step: StepId, make: Callable[[CeremonyRun, StepId], bytes]) -> bytes:
        """What ``make`` gives for a step that first commits to it; computed once."""
        if self._said is None or self._said[0] != step:
            self._said = step, make(self, step)
        return self._said[1]

    def test_exponent(self, candidate: int) -> mpz:
        """This member's x_i of a candidate that it deals."""
        number, position = divmod(candidate, self.layout.class_size)
        p_share, q_share = self.batch.dealings[number].factors[position]
        is_lead = self.layout.dealers(number)[0] == self.index
        return exponent(is_lead, p_share, q_share, self.batch.moduli[candidate])

    def begin_batch(self, number: int) -> Batch:
        """The batch that follows, with this member's own dealings; computed once."""
        if self.next_batch.number != number:
            size, dealt = self.layout.class_size, self.layout.dealt_by(self.index)
            own = leaves(self.seed, number, self.layout.leaves_of(self.index))
            dealings = {
                c: deal_factors(
                    self.shape,
                    self.layout.dealers(c)[0] == self.index,
                    own[k * size : (k + 1) * size],
                )
                for k, c in enumerate(dealt)
            }
            self.next_batch = Batch(number, own, dealings)
        return self.next_batch

    @property
    def the_winner(self) -> Winner:
        """The winner; only asked for in steps that come after it was found."""
        assert self.winner is not None
        return self.winner


def seed_digest(context: bytes, seed: bytes) -> bytes:
    """What a member posts when it joins: it is bound to its seed from then on."""
    return digest("quorate/ceremony-seed", context, seed)


def leaves(seed: bytes, batch: int, count: int) -> list[bytes]:
    """A sub-seed for each candidate that a member deals in a batch."""
    data = hashlib.shake_256(derive_key(seed, "leaves", batch)).digest(32 * count)
    return [data[k : k + 32] for k in range(0, len(data), 32)]
