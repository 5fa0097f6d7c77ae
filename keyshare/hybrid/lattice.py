"""The parameters of the hybrid suite's ring: given, derived, and refused.

Ring Z_q[x]/(x^N+1), q a power of two; secrets and errors are discrete Gaussians of standard
deviation σ; a ciphertext is c = a·s + e + Δ·m mod q without its d lowest bits. For sums of at most
n contributors, with k weights a coefficient:

    σ_tot² = σ² + 4^d/12      E_max = ⌈10·σ_tot·√n⌉      Δ = 2·E_max + 2      t = ⌊q/Δ⌋
    R = ⌊t^(1/k)⌋             levels = ⌊(R-1)/n⌋ + 1     w = ⌈log2(20·σ·√n + 1)⌉

so that n·(levels-1) <= R-1 (no weight carries into the next), Δ·R^k <= q (no sum wraps around), and
every error of a sum is below Δ/2 but for a chance of 2^-71 a coefficient. All is computed in
integers: σ² = 1024/25 exactly.

Security: docs/security/lattice.md derives why σ = 6.4 is needed where sums of secrets are opened.
Limits of log2 q for 128 bits: Bossuat and others, eprint 2024/463, table 5.2, Gaussian secrets.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import isqrt

import gmpy2
from gmpy2 import mpz

from keyshare.errors import BadParameters

SIGMA_SQUARED = Fraction(1024, 25)  # σ = 6.4 = 2 · 3.2, the tables' σ after sums are opened
CHUNK_COEFFICIENTS = 1 << 17  # of a chunk of a vector; some hundred kilobytes
_MAX_MODULUS_BITS = {2048: 55, 4096: 108}  # for 128 bits
_WORD_BITS = 64


@dataclass(frozen=True)
class Ring:
    """A parameter set.

    degree: N. modulus_bits: log2 q, at most 64. dropped_bits: d. limb_bits: how a public
    polynomial is cut for exact products, low limb first. Raises BadParameters.
    """

    name: str
    degree: int
    modulus_bits: int
    dropped_bits: int
    limb_bits: tuple[int, ...]
    sigma_squared: Fraction = SIGMA_SQUARED
    secret: str = "gaussian"

    def __post_init__(self) -> None:
        limit = _MAX_MODULUS_BITS.get(self.degree)
        if limit is None:
            raise BadParameters("degree", self.degree, "2048 or 4096")
        if self.modulus_bits > limit:
            raise BadParameters(
                "modulus_bits", self.modulus_bits, f"up to {limit}, for 128 bits of security"
            )
        if self.secret != "gaussian":
            allowed = "gaussian: sums of two of another show some of its coefficients outright"
            raise BadParameters("secret", self.secret, allowed)
        if self.sigma_squared < SIGMA_SQUARED:
            raise BadParameters(
                "sigma_squared", str(self.sigma_squared), f"{SIGMA_SQUARED} or more"
            )
        if self.modulus_bits > _WORD_BITS or sum(self.limb_bits) != self.modulus_bits:
            raise BadParameters("modulus_bits", self.modulus_bits, "up to 64, the sum of its limbs")
        if self.wire_bits % 8 or self.dropped_bits < 0:
            raise BadParameters("dropped_bits", self.dropped_bits, "leaving whole bytes")

    @property
    def wire_bits(self) -> int:
        """Bits of a coefficient that are sent."""
        return self.modulus_bits - self.dropped_bits

    @property
    def max_members(self) -> int:
        """Members up to which sums of words as they are sent fit in 64 bits."""
        return 1 << (_WORD_BITS - self.wire_bits)

    @property
    def chunk_blocks(self) -> int:
        """Blocks (polynomials) of a whole chunk."""
        return CHUNK_COEFFICIENTS // self.degree


S1 = Ring("hybrid", 2048, 52, 4, (26, 26))
S2 = Ring("hybrid-s2", 4096, 64, 8, (22, 21, 21))
RINGS = {ring.name: ring for ring in (S1, S2)}


@dataclass(frozen=True)
class Lattice:
    """A ring with what follows from it for sums of up to ``members`` contributors.

    Raises BadParameters if no weight fits, or if sums of so many words as are sent do not fit in 64
    bits: checksums are linear only where no word of a sum is reduced.
    """

    ring: Ring
    members: int
    weights_per_coefficient: int = 2

    def __post_init__(self) -> None:
        if not 2 <= self.members <= self.ring.max_members:
            raise BadParameters("members", self.members, f"2 to {self.ring.max_members}")
        if not 1 <= self.weights_per_coefficient <= 4:
            raise BadParameters("weights_per_coefficient", self.weights_per_coefficient, "1 to 4")
        if self.levels < 2:
            raise BadParameters("members", self.members, "so few that a weight has two levels")

    @property
    def noise_variance(self) -> Fraction:
        """σ_tot², of one contribution's error, what was dropped included."""
        dropped = self.ring.dropped_bits
        return self.ring.sigma_squared + (Fraction(4**dropped, 12) if dropped else 0)

    @cached_property
    def max_error(self) -> int:
        """E_max = ⌈10·σ_tot·√n⌉, of a sum."""
        return _ceil_root(100 * self.noise_variance * self.members)

    @property
    def delta(self) -> int:
        """Δ, the step from one message to the next."""
        return 2 * self.max_error + 2

    @cached_property
    def radix(self) -> int:
        """R = ⌊t^(1/k)⌋: a coefficient's message is Σ_j weight_j · R^j."""
        t = mpz(1 << self.ring.modulus_bits) // self.delta
        return int(gmpy2.iroot(t, self.weights_per_coefficient)[0])

    @cached_property
    def levels(self) -> int:
        """A contribution's weights are in [0, levels)."""
        return (self.radix - 1) // self.members + 1

    @property
    def max_key_digit(self) -> int:
        """⌊10·σ·√n⌋, the largest coefficient of a sum of secrets."""
        return isqrt(int(100 * self.ring.sigma_squared * self.members))

    @cached_property
    def key_slot_bits(self) -> int:
        """w = ⌈log2(20·σ·√n + 1)⌉, of a signed coefficient of a sum of secrets."""
        return (_ceil_root(400 * self.ring.sigma_squared * self.members)).bit_length()

    @property
    def block_weights(self) -> int:
        """Weights in a polynomial."""
        return self.ring.degree * self.weights_per_coefficient

    @property
    def chunk_weights(self) -> int:
        """Weights in a whole chunk."""
        return self.ring.chunk_blocks * self.block_weights

    @property
    def contribution_bytes(self) -> int:
        """Of a coefficient in a contribution."""
        return self.ring.wire_bits // 8

    @property
    def sum_bytes(self) -> int:
        """Of a coefficient in a sum of all members' contributions, which is not reduced."""
        return (self.ring.wire_bits + (self.members - 1).bit_length() + 7) // 8

    def chunk_count(self, length: int) -> int:
        """Chunks of a vector of ``length`` >= 1 weights."""
        return -(-length // self.chunk_weights)

    def blocks_of(self, chunk: int, length: int) -> int:
        """Blocks of one chunk: all but the last have ``ring.chunk_blocks``."""
        left = length - chunk * self.chunk_weights
        return min(self.ring.chunk_blocks, -(-left // self.block_weights))

    def contribution_chunk_bytes(self, chunk: int, length: int) -> int:
        """The size of a contribution's chunk."""
        return self.blocks_of(chunk, length) * self.ring.degree * self.contribution_bytes

    def sum_chunk_bytes(self, chunk: int, length: int) -> int:
        """The size of a sum's chunk."""
        return self.blocks_of(chunk, length) * self.ring.degree * self.sum_bytes


def _ceil_root(square: Fraction) -> int:
    """The least integer whose square is at least ``square`` > 0."""
    return isqrt(-(-square.numerator // square.denominator) - 1) + 1
