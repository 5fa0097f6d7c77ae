"""Partial decryptions that a member of a toy round falsifies, one way or another."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gmpy2 import mpz

from keyshare.key.partial_decryption import partial_decryption
from protocol.board.draft import Draft, Envelope, public_payload
from protocol.encoding import pack_numbers, width_of
from protocol.messages.attachment import attach
from protocol.messages.rounds import Complaint, Partial
from protocol.rounds.complaints import Judged
from protocol.rounds.partial_payload import LockedSum, Parts
from tests.stage.rounds.toy_round import TERMS, TOY, Round
from tests.stage.toy import ToyEpoch, seed_of

Numbers = Callable[[list[mpz]], list[mpz]]


def locked_sum(found: Round, member: int) -> LockedSum:
    """What a member checks parts against; it must know the sum."""
    locked = found.members[member]._locked
    assert locked is not None
    return locked


def numbers_of(found: Round, member: int) -> list[mpz]:
    """A member's right partial decryptions."""
    return right_parts(locked_sum(found, member).ciphertexts, member, found.toy)


def right_parts(ciphertexts: Iterable[mpz], member: int, toy: ToyEpoch = TOY) -> list[mpz]:
    """What a member's share makes of ciphertexts."""
    share = toy.shares[member]
    return [partial_decryption(c, share, toy.key) for c in ciphertexts]


def parts_of(locked: LockedSum, member: int, numbers: list[mpz], toy: ToyEpoch = TOY) -> Parts:
    """Numbers with the proof that the member's share gives for them, if they are any units."""
    secret, fresh = toy.secrets[member], seed_of("parts", member)
    try:
        return locked.proved(numbers, secret, fresh)
    except ValueError:  # no statement can be made of these
        right = right_parts(locked.ciphertexts, member, toy)
        proof = locked.proved(right, secret, fresh).proof
        return Parts(pack_numbers(numbers, width_of(toy.key.n**2)), proof)


def posted_as(
    locked: LockedSum, member: int, payload: bytes, key: bytes, sealed: Mapping[int, bytes]
) -> Draft:
    """A payload said as a member's partial decryption, the key sealed as given, or as it is."""
    (public,), blobs = public_payload(payload)
    keys = {reader: locked.epoch.sealing_keys[reader - 1] for reader in locked.readers}
    envelope = Envelope(locked.epoch.federation, locked.session, member, keys)
    said, _ = envelope.seal_all({i: sealed.get(i, key) for i in keys}, "partial")
    body = Partial(locked.chosen, locked.commitment(member, key), (public, *said))
    return Draft(locked.session, body, tuple(blobs))


def unreadable(chosen: bytes) -> Partial:
    """A post that the board takes for a partial decryption, and nobody can read."""
    return Partial(
        chosen, bytes(32), tuple(attach(bytes(50), i) for i in range(TERMS.n_members + 1))
    )


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
    key: bytes | None = None  # another content key, committed to

    @property
    def content_key(self) -> bytes:
        return (
            self.key
            if self.key is not None
            else seed_of("content key", self.found.session, self.member)
        )

    def __call__(self, sender: int, draft: Draft) -> Draft:
        if sender != self.member or not isinstance(draft.body, Partial):
            return draft
        locked, key = locked_sum(self.found, sender), self.content_key
        numbers = self.numbers(numbers_of(self.found, sender))
        parts = self.parts(locked, parts_of(locked, sender, numbers, self.found.toy))
        payload = self.payload(locked.encrypt(parts, sender, key))
        said = posted_as(locked, sender, payload, key, self.sealed)
        assert isinstance(said.body, Partial)
        return Draft(said.session, self.change(said.body), said.blobs)


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
    found.publish(by, Complaint(chosen or found.chosen, about, key))
