"""Whether a hospital helps to decrypt, and how it does: the rules of a round's end.

A hospital helps only if the round is one of its epoch; enough distinct members contributed, each
with a contribution it has seen signed; no ciphertext occurs twice; the sum is the product that it
has recomputed itself; more than (n+f)/2 members have locked this very set; it has helped with no
other set of the round; and the sum does not differ by too few members from others of the same
model (protocol/history.py). Every refusal names the rule and, where there is one, the member.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NoReturn, Protocol

from gmpy2 import mpz

from keyshare.errors import BadCombination
from keyshare.partial_decryption import combine, partial_decryption
from keyshare.threshold_key import JointKey
from protocol.board import Posted
from protocol.ciphertexts import (
    Encrypted,
    EncryptionKey,
    add_encrypted,
    check_proof,
    read_ciphertexts,
    write_ciphertexts,
)
from protocol.draft import Draft, Envelope
from protocol.encoding import pack_numbers, unpack_numbers, width_of
from protocol.epoch import Epoch, EpochSecret
from protocol.errors import BadSeal, Malformed, Refused
from protocol.history import Difference, OpenedSets
from protocol.messages import (
    Contribution,
    Opening,
    Partial,
    Refusal,
    SetLock,
    blob_name,
)
from protocol.round import RoundView
from protocol.sealing import SealContext, SealingKey
from protocol.suite import suite_for, suite_of
from protocol.terms import Terms

_MAX_SUBSETS = 200  # quorums tried when a partial decryption is wrong


class SetLedger(Protocol):
    """Durable memory of the one set that this hospital chooses in each round."""

    def choose(self, session: str, chosen: bytes) -> bool:
        """Record, durably, unless another set is recorded; whether ``chosen`` is the one."""


class RoundMember:
    """One member's side of a round: a pure function of the board and of its key share.

    ``consent`` is given from outside (by a person, or by the policy of a service); without it
    nothing is locked or released, but what others release is combined. ``history``: what this
    hospital's board says of all other rounds.
    """

    def __init__(
        self,
        view: RoundView,
        terms: Terms,
        epoch: Epoch,
        secret: EpochSecret,
        history: OpenedSets,
    ) -> None:
        self.view, self.terms, self.epoch, self._history = view, terms, epoch, history
        self.consent = False
        self.plaintexts: list[mpz] | None = None
        self.total: Encrypted | None = None
        self.wrong_partials: list[int] = []
        self._key: JointKey = epoch.joint_key()
        self._share = secret.key_share()
        self._sealing = SealingKey(secret.sealing_seed)
        self._contributions: dict[int, bytes] = {}
        self._partials: dict[int, list[mpz]] = {}

    @property
    def index(self) -> int:
        """This member's number."""
        return self._share.index

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take an entry of this round with its payloads: key 0 for all, own number for sealed."""
        self.view.receive(posted)
        body, sender = posted.post.body, posted.post.sender
        if isinstance(body, Contribution) and self.view.contributions.get(sender) is posted:
            # What answers no opening is never added: keeping it would let one member fill memory.
            if self.view.opening and body.opening == self.view.opening.digest:
                self._contributions[sender] = payloads.get(0, b"")
        elif isinstance(body, Partial) and self.view.partials.get(sender) is posted:
            self._receive_partial(sender, body, payloads)
        self._try_to_combine()

    def due(self, ledger: SetLedger) -> Draft | None:
        """The next thing to say about decryption, None if there is nothing."""
        view, me = self.view, self.index
        if view.closing is None or not self.consent or me in view.refusals:
            return None
        try:
            if me not in view.locks:
                self.check_set()
                self._check_difference()
                self._choose(ledger)
                return Draft(view.session, SetLock(self._chosen()))
            if self.owes_partial:
                return self._partial(ledger)
        except Refused as refusal:
            said = Refusal(refusal.rule, refusal.member, refusal.reason)
            return Draft(view.session, said)
        return None

    @property
    def owes_partial(self) -> bool:
        """Whether the set that this member locked waits for its partial decryption.

        Also when the sum is known here: what one member sealed to this one may open, and what it
        sealed to the next one not.
        """
        view, me = self.view, self.index
        has_said = me in view.partials or me in view.refusals
        return self.consent and me in view.locks and not has_said and self._is_locked()

    @property
    def difference(self) -> Difference | None:
        """What the closed sum would show of too few members, with others of the same model."""
        return self._history.difference(self.view)

    def check_set(self) -> Encrypted:
        """The sum that the closing chose, recomputed; raises Refused naming rule and member."""
        if self.total is not None:
            return self.total
        opening, closing = self.view.terms_of_opening, self.view.closed
        if opening is None or closing is None or opening.epoch != self.epoch.digest:
            self._refuse("known-round", 0, "it was not opened, or under another key")
        suite = suite_of("paillier", self.terms)
        if opening.kind == "training":
            suite = suite_for(self.terms, opening.length)
        if opening.suite != suite.name:
            self._refuse("suite", 0, f"it was opened for {opening.suite}, due is {suite.name}")
        members = [c.member for c in closing.contributors]
        if members != sorted(set(members)):
            self._refuse("contributors", 0, "the closing names a member twice or out of order")
        least = self.terms.rounds.min_contributors
        if len(members) < least:
            names = ", ".join(self.terms.name_of(m) for m in members) or "nobody"
            self._refuse(
                "min-contributors",
                0,
                f"the sum holds {len(members)} ({names}), the terms ask for at least {least}",
            )
        for contributor in closing.contributors:
            seen = self.view.contributions.get(contributor.member)
            if seen is None or seen.digest != contributor.contribution:
                self._refuse("contributors", contributor.member, "its contribution is another")
        if len(closing.vector) != suite.chunk_count(opening.length):
            self._refuse("vector-shape", 0, "the sum's vector has another number of chunks")
        total = self._recompute(members, opening)
        if blob_name(write_ciphertexts(total, self._key.n)) != closing.total.digest:
            self._refuse("recomputed-sum", 0, "the sum is not that of the contributions")
        self.total = total
        self._contributions.clear()  # the board has them; the sum is all that is needed now
        return total

    def _recompute(self, members: list[int], opening: Opening) -> Encrypted:
        assert self.view.opening is not None
        contributions, seen = [], dict[mpz | bytes, int]()
        for member in members:
            body = self.view.contributions[member].post.body
            if not isinstance(body, Contribution) or body.opening != self.view.opening.digest:
                self._refuse("contributors", member, "its contribution is for another opening")
            try:
                found = read_ciphertexts(
                    self._contributions.get(member, b""), opening, self.terms, self._key.n
                )
            except Malformed as error:
                self._refuse("valid-ciphertexts", member, error.reason)
            for name in (*found.values, *body.vector):
                if name in seen:
                    self._refuse("repeated-ciphertext", member, "a ciphertext occurs twice")
                seen[name] = member
            if opening.suite != "paillier":
                self._check_vector(member, body, opening, found)
            contributions.append(found)
        try:
            return add_encrypted(contributions, self._key.n)
        except Malformed as error:
            self._refuse("valid-ciphertexts", 0, error.reason)

    def _check_vector(
        self, member: int, body: Contribution, opening: Opening, found: Encrypted
    ) -> None:
        """A hybrid contribution has a whole vector, and its member knows what its key is."""
        if len(body.vector) != suite_of(opening.suite, self.terms).chunk_count(opening.length):
            self._refuse("vector-shape", member, "its vector has another number of chunks")
        try:
            key = EncryptionKey.of(self.epoch)
            check_proof(found, body, self.view.session, member, key)
        except Malformed as error:
            self._refuse("proof-of-plaintext", member, error.reason)

    def _refuse(self, rule: str, member: int, reason: str) -> NoReturn:
        raise Refused(self.view.name, rule, member, reason)

    def _chosen(self) -> bytes:
        chosen = self.view.chosen(self.terms.federation)
        assert chosen is not None
        return chosen

    def _is_locked(self) -> bool:
        votes = sum(chosen == self._chosen() for chosen in self.view.locks.values())
        return votes >= self.terms.lock_threshold

    def _choose(self, ledger: SetLedger) -> None:
        """Before the lock is said and again before the partial decryption is made."""
        if not ledger.choose(self.view.session, self._chosen()):
            self._refuse("one-set", 0, "this hospital has chosen another set of this round")

    def _check_difference(self) -> None:
        """Before the lock is said, and again before the part is made: others may have locked."""
        found = self.difference
        if found and self.terms.rounds.differencing == "refuse":
            self._refuse("differencing", found.members[0], found.reason(self.terms))

    def _partial(self, ledger: SetLedger) -> Draft:
        total = self.check_set()
        self._check_difference()
        self._choose(ledger)
        parts = [partial_decryption(c, self._share, self._key) for c in total.values]
        payload = pack_numbers(parts, width_of(self._key.n**2))
        keys = dict(enumerate(self.epoch.sealing_keys, start=1))
        envelope = Envelope(self.terms.federation, self.view.session, self.index, keys)
        attachments, blobs = envelope.seal_all(dict.fromkeys(keys, payload), "partial")
        body = Partial(self._chosen(), tuple(attachments))
        return Draft(self.view.session, body, tuple(blobs))

    def _receive_partial(self, sender: int, body: Partial, payloads: Mapping[int, bytes]) -> None:
        context = SealContext(
            self.terms.federation, self.view.session, "partial", sender, self.index
        )
        square = self._key.n**2
        try:
            if body.chosen != self.view.chosen(self.terms.federation):
                raise Malformed("partial", "it is for another set")
            payload = self._sealing.unseal(payloads[self.index], context)
            count = len(payload) // width_of(square)
            self._partials[sender] = unpack_numbers(
                payload, width_of(square), count, square, "partial"
            )
        except (BadSeal, Malformed, KeyError):
            self.wrong_partials.append(sender)

    def _try_to_combine(self) -> None:
        if self.plaintexts is not None or len(self._partials) < self.epoch.quorum:
            return
        try:
            total = self.check_set()
        except Refused:
            return
        fitting = {
            m: parts for m, parts in self._partials.items() if len(parts) == len(total.values)
        }
        quorums = itertools.combinations(sorted(fitting), self.epoch.quorum)
        for members in itertools.islice(quorums, _MAX_SUBSETS):
            try:
                self.plaintexts = [
                    combine({m: fitting[m][k] for m in members}, self._key)
                    for k in range(len(total.values))
                ]
            except BadCombination:
                continue
            return
