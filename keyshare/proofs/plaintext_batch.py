"""Many proofs of plaintexts under one key, verified at once.

    e_i uniform in [0, 2^128), drawn once all proofs are here
    verified by  ((1+N)^(Σ e_i·z_i) · h_N^(Σ e_i·u_i))² = (∏ A_i^(e_i) · ∏ K_(i,l)^(e_i·ρ_(i,l)))²

and for each proof by itself all that ``plaintext_proof`` asks but its equation: ranges and units.

*Soundness.* Let E_i = (A_i · ∏ K_(i,l)^(ρ_(i,l)) / ((1+N)^(z_i) · h_N^(u_i)))². One by one the
proofs say E_i = 1, and together ∏ E_i^(e_i) = 1, whose e_i nobody knew who made a proof.

- Knowledge. An answer z_i that is the one for A_i and all ρ_(i,l) is one with which E_i, taken as a
  ciphertext, holds 0. Together they say that Σ e_i·(what E_i holds) = 0 mod N. If an E_i does not
  hold 0 modulo some factor of N, one e_i modulo that factor fits: once in 2^128 times, as factors
  are longer. Nothing is assumed for this.
- The same answer as one by one. If some E_i is not 1, one e_i modulo its order fits. That order
  has more than 128 bits, or whoever made E_i can name an element of small order in Z*_N beside 1
  and -1, as in ``equality_proof``: E_i or its root. Without squares E_i = -1 would do, which
  everyone can name: two of them would pass every second time.

Source: the small exponents test of Bellare, Garay, Rabin, EUROCRYPT 1998, §3; what goes wrong in a
group with elements of small order: Boyd, Pavlovski, ASIACRYPT 2000.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from keyshare.key import Encryptor
from keyshare.proofs.bucket_product import MANY, bucket_product
from keyshare.proofs.plaintext_proof import PlaintextProof, verify, weights_in_steps
from keyshare.steps import finish

_WEIGHT_BITS = 128


@dataclass(frozen=True)
class ProvedPlaintexts:
    """Ciphertexts, the proof of who made them, and what it is bound to."""

    ciphertexts: tuple[mpz, ...]
    proof: PlaintextProof
    context: bytes


def all_hold(proved: Sequence[ProvedPlaintexts], encryptor: Encryptor) -> bool:
    """Whether every proof holds; True for none.

    Which one does not, ``plaintext_proof.verify`` says. With a hundred of them this takes about
    half as long as one after the other, and few are verified one after the other.
    """
    n = encryptor.n
    if sum(1 + len(one.ciphertexts) for one in proved) < MANY:
        return all(verify(one.proof, one.ciphertexts, encryptor, one.context) for one in proved)
    bases, exponents = list[mpz](), list[mpz]()
    plaintext = exponent = mpz(0)
    for one in proved:
        proof, ciphertexts = one.proof, one.ciphertexts
        challenge = finish(weights_in_steps(proof, ciphertexts, encryptor, one.context))
        if challenge is None:
            return False
        weight = mpz(secrets.randbits(_WEIGHT_BITS))
        plaintext += weight * proof.plaintext
        exponent += weight * proof.exponent
        bases += proof.commitment, *ciphertexts
        exponents += weight, *(weight * number for number in challenge)
    left = encryptor.encrypt_with(plaintext % n, exponent)
    right = bucket_product(bases, exponents, n * n)
    return bool((left * left - right * right) % (n * n) == 0)
