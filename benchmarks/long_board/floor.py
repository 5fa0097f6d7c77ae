"""What no verification of a record can go below, each measured alone: signatures, and products.

A signature is checked by OpenSSL, one after the other. For the proofs of contributions each of
their numbers is raised to 256 bits, in one product of all that an audit holds at one time.
"""

import secrets
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from gmpy2 import mpz

from keyshare.proofs.bucket_product import bucket_product
from participant.record import RecordFolder
from protocol.board import POST_SIGNATURE, Entry, Post
from protocol.encoding import decode
from protocol.messages import MAX_POST_BYTES
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import RoundEvidence
from protocol.signing import verify
from protocol.terms import Terms

_AT_ONCE, _ROUNDS, _EXPONENT_BITS = 2_048, 64, 256


def measure(record: Path) -> dict[str, float]:
    """CPU seconds of one core for all signatures of a record, and for the products of its proofs.

    Those of some rounds are measured, and taken for as many as there are.
    """
    evidence = Evidence(RecordFolder(record), None, None, bytes(32))
    hashes, signatures = iter(evidence.chain.hashes), 0.0
    while some := [evidence.chain.entry(one) for one in islice(hashes, _AT_ONCE)]:
        signatures += _verified(evidence.terms, some)
    rounds = [one for one in evidence.rounds if one.opening is not None]
    products = _multiplied(rounds[:_ROUNDS]) * len(rounds) / len(rounds[:_ROUNDS])
    return {"signatures": round(signatures, 2), "products": round(products, 2)}


def _verified(terms: Terms, entries: Sequence[Entry]) -> float:
    """Seconds for their signatures, without any other look at them."""
    said = [
        (decode(one.post.post, Post, "post", MAX_POST_BYTES).sender, one.post) for one in entries
    ]
    began = time.process_time()
    for sender, signed in said:
        verify(terms.key_of(sender), signed.signature, sender, POST_SIGNATURE, signed.post)
    return time.process_time() - began


def _multiplied(rounds: Sequence[RoundEvidence]) -> float:
    """Seconds for the product that their proofs take."""
    bases, modulus = list[mpz](), mpz(1)
    for one in rounds:
        assert one.epoch is not None
        modulus = mpz(int.from_bytes(one.epoch.n, "big")) ** 2
        for member in one.view.contributions:
            names = one.names_in(member) or ()
            bases += [modulus - 3, *(name for name in names if not isinstance(name, bytes))]
    exponents = [mpz(secrets.randbits(_EXPONENT_BITS)) for _ in bases]
    began = time.process_time()
    bucket_product(bases, exponents, modulus)
    return time.process_time() - began
