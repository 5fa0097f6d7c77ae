"""One proof for all of a member's partial decryptions: they were made with its key share.

    (v^Δ)^(f_i) = VK_i   and   (c_k^(2Δ))^(f_i) = c_(i,k) mod N²  up to signs, for every k

by ``keyshare.proofs.equality_proof``; ``combine`` squares the signs away. Sources: its own, and
Nishide, Sakurai, WISA 2010, §4.4 for the verification keys.
"""

from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from keyshare.key import JointKey, SecretShare
from keyshare.proofs.equality_proof import EqualityProof, EqualPowers, prove, verify
from keyshare.randomness import Stream


@dataclass(frozen=True)
class MemberParts:
    """parts[k], said to be a member's partial decryption of ciphertexts[k], for every k.

    parts: one at least, units as the ciphertexts. member: 1..n. context: what the proof is bound
    to.
    """

    parts: tuple[mpz, ...]
    ciphertexts: tuple[mpz, ...]
    member: int
    key: JointKey
    context: bytes

    @property
    def statement(self) -> EqualPowers:
        """What an equality proof shows of them, mod N²."""
        key = self.key
        square = key.n * key.n
        return EqualPowers(
            base=gmpy2.powmod(key.verification_base, key.delta, square),
            value=key.verification_keys[self.member - 1],
            bases=[gmpy2.powmod(c, 2 * key.delta, square) for c in self.ciphertexts],
            values=self.parts,
            modulus=square,
            bound=key.share_bound,
            context=self.context,
        )


def prove_parts(said: MemberParts, share: SecretShare, stream: Stream) -> EqualityProof:
    """The proof of parts made with this share; 32 bytes are drawn from the stream.

    Raises ValueError for numbers that are no units.
    """
    return prove(share.value, said.statement, stream)


def parts_hold(proof: EqualityProof, said: MemberParts) -> bool:
    """Whether the proof shows that the parts are those of the member's key share."""
    return verify(proof, said.statement)
