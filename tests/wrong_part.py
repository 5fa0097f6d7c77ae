"""Partial decryptions that a member of a toy round falsifies, one way or another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gmpy2 import mpz

from keyshare.partial_decryption import partial_decryption
from protocol.complaints import Judged
from protocol.draft import Draft, Envelope, public_payload
from protocol.encoding import pack_numbers, width_of
from protocol.messages import Complaint, Partial
from protocol.partial_payload import LockedSum, Parts
from tests.toy import seed_of
from tests.toy_round import EPOCH, KEY, SQUARE, TERMS, TOY, Round

Numbers = Callable[[list[mpz]], list[mpz]]


def locked_sum(found: Round, member: int) -> LockedSum:
    """What a member checks parts against; it must know the sum."""
    locked = found.members[member]._locked
    assert locked is not None
    return locked


def numbers_of(found: Round, member: int) -> list[mpz]:
    """A member's right partial decryptions."""
    values = locked_sum(found, member).ciphertexts
    return [partial_decryption(c, TOY.shares[member], KEY) for c in values]


def parts_of(locked: LockedSum, member: int, numbers: list[mpz]) -> Parts:
    """Numbers with the proof that the member's share gives for them, if they are any units."""
    try:
        return locked.proved(numbers, TOY.secrets[member], seed_of("parts", member))
    except ValueError:  # no statement can be made of these
        right = [partial_decryption(c, TOY.shares[member], KEY) for c in locked.ciphertexts]
        proof = locked.proved(right, TOY.secrets[member], seed_of("parts", member)).proof
        return Parts(pack_numbers(numbers, width_of(SQUARE)), proof)


@dataclass
class Liar:
    """Sends, in place of a member's partial decryption, what it is told."""

    found: Round
    member: int
    numbers: Numbers = field(default=lambda numbers: numbers)
    parts: Callable[[LockedSum, Parts], Parts] = field(default=lambda locked, parts: parts)
    payload: Callable[[bytes], bytes] = field(default=lambda payload: payload)
    sealed: Mapping[int, bytes] = field(default_factory=dict)  # other keys, by recipient
    change: Callable[[Partial], Partial] = field(default=lambda body: body)

    @property
    def content_key(self) -> bytes:
        return seed_of("content key", self.found.session, self.member)

    def __call__(self, sender: int, draft: Draft) -> Draft:
        if sender != self.member or not isinstance(draft.body, Partial):
            return draft
        found, key = self.found, self.content_key
        locked = locked_sum(found, sender)
        numbers = self.numbers(numbers_of(found, sender))
        parts = self.parts(locked, parts_of(locked, sender, numbers))
        payload = self.payload(locked.encrypt(parts, sender, key))
        (public,), blobs = public_payload(payload)
        keys = dict(enumerate(EPOCH.sealing_keys, start=1))
        envelope = Envelope(TERMS.federation, found.session, sender, keys)
        sealed, _ = envelope.seal_all({i: self.sealed.get(i, key) for i in keys}, "partial")
        body = Partial(locked.chosen, locked.commitment(sender, key), (public, *sealed))
        return Draft(found.session, self.change(body), tuple(blobs))


def all_of(*liars: Liar) -> Callable[[int, Draft], Draft]:
    """Several liars at one table."""

    def tamper(sender: int, draft: Draft) -> Draft:
        for liar in liars:
            draft = liar(sender, draft)
        return draft

    return tamper


def complaints(found: Round, member: int = 1) -> list[Judged]:
    """What a member makes of the complaints on the board."""
    return found.members[member].complaints()


def complain(found: Round, by: int, about: int, key: bytes, chosen: bytes | None = None) -> None:
    """A complaint that no honest machine makes."""
    chosen = chosen or found.members[by].view.chosen(TERMS.federation)
    assert chosen is not None
    found.publish(by, Complaint(chosen, about, key))
