"""What a round's contributions hold: each is read once, and each proof is checked once.

Proofs of many rounds are checked together, and one after the other where one of them is wrong.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gmpy2 import mpz

from keyshare.proofs import ProvedPlaintexts, all_hold
from protocol.board import Posted, Study
from protocol.errors import Malformed
from protocol.key import Epoch
from protocol.messages import Attachment, Contribution, Opening
from protocol.rounds import (
    Encrypted,
    EncryptionKey,
    RoundView,
    check_proof,
    proved_plaintexts,
    read_ciphertexts,
)

ReadPayload = Callable[[Attachment], bytes]


class NotHereError(Exception):
    """A payload that the record lacks is nobody's fault, unlike one that does not read."""


class RoundContents(Mapping[int, bytes]):
    """Contributions' payloads by member; a payload that is not here raises NotHereError."""

    def __init__(
        self, view: RoundView, study: Study, epoch: Epoch | None, read: ReadPayload
    ) -> None:
        """epoch: the key that the round was opened under, if that was the newest one then."""
        self._view, self._study, self._epoch, self._read_payload = view, study, epoch, read
        self._payloads = dict[int, bytes | None]()
        self._read = dict[bytes, Encrypted | Malformed]()
        self._checked = dict[int, Malformed | None]()

    def __getitem__(self, member: int) -> bytes:
        if member not in self._payloads:
            attachment = self._view.contributions[member].post.body.ciphertexts
            try:
                self._payloads[member] = self._read_payload(attachment)
            except Malformed:
                self._payloads[member] = None
        payload = self._payloads[member]
        if payload is None:
            raise NotHereError
        return payload

    def __iter__(self) -> Iterator[int]:
        return iter(self._view.contributions)

    def __len__(self) -> int:
        return len(self._view.contributions)

    def read(self, payload: bytes, opening: Opening, study: Study, n: mpz) -> Encrypted:
        """As ``read_ciphertexts``, of this round."""
        if payload not in self._read:
            try:
                self._read[payload] = read_ciphertexts(payload, opening, study, n)
            except Malformed as error:
                self._read[payload] = error
        found = self._read[payload]
        if isinstance(found, Malformed):
            raise found
        return found

    def check(
        self, found: Encrypted, body: Contribution, session: str, member: int, key: EncryptionKey
    ) -> None:
        """As ``check_proof``, of the member's contribution to this round under its one key."""
        assert body is self._view.contributions[member].post.body  # what is known is of no other
        if member not in self._checked:
            try:
                check_proof(found, body, session, member, key)
                self._checked[member] = None
            except Malformed as error:
                self._checked[member] = error
        if (fault := self._checked[member]) is not None:
            raise fault

    def answers(self, posted: Posted[Contribution]) -> bool:
        """Whether a contribution is for the round's opening."""
        opening = self._view.opening
        return opening is not None and posted.post.body.opening == opening.digest

    @property
    def key(self) -> EncryptionKey | None:
        """What the contributions are encrypted with."""
        return EncryptionKey.of(self._epoch) if self._epoch else None

    def proved(self) -> dict[int, ProvedPlaintexts]:
        """What has a proof, by who says it: of contributions that answer, are here and read."""
        opening, key = self._view.terms_of_opening, self.key
        found = dict[int, ProvedPlaintexts]()
        for member, posted in self._view.contributions.items():
            if opening is None or key is None or not self.answers(posted):
                continue
            try:
                read = self.read(self[member], opening, self._study, key.encryptor.n)
            except (NotHereError, Malformed):
                continue
            said = proved_plaintexts(read, posted.post.body, self._view.session, member, key)
            if said is not None:
                found[member] = said
        return found

    def believe(self, members: Iterable[int]) -> None:
        """Take the proofs of these members as checked: they are right."""
        self._checked.update(dict.fromkeys(members))


def check_together(rounds: Sequence[RoundContents]) -> None:
    """Check the proofs of some rounds; which of them do not hold is asked of each round."""
    by_key = defaultdict[EncryptionKey, list[tuple[RoundContents, int, ProvedPlaintexts]]](list)
    for one in rounds:
        if (key := one.key) is not None:
            by_key[key] += ((one, member, said) for member, said in one.proved().items())
    for key, asked in by_key.items():
        if all_hold([said for *_, said in asked], key.encryptor):
            for one, member, _ in asked:
                one.believe([member])
