"""The rules of a set: whether a round's closing may be decrypted, from what is public alone.

The round is one of this epoch, and of the suite that is due; a statistic is opened as a member
asked for it; enough distinct members contributed, each with a contribution that was seen signed; no
ciphertext occurs twice; whoever contributed, to training or to a statistic, has proved that it
knows what it encrypted; and the sum is the product of the contributions. A hospital asks this
before it locks a set; whoever has the record may ask it later. That a hospital helps with one set
of a round only is its own ledger's concern.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from gmpy2 import mpz

from protocol.board import (
    Closing,
    Contribution,
    Opening,
    Posted,
    Suite,
    blob_name,
    read_session,
    suite_for,
    suite_of,
)
from protocol.errors import Malformed, Refused
from protocol.key import Epoch, to_number
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    add_encrypted,
    check_proof,
    read_ciphertexts,
    write_ciphertexts,
)
from protocol.rounds.statistic import request_of
from protocol.rounds.view import RoundView
from protocol.terms import Terms


def check_set(
    view: RoundView, payloads: Mapping[int, bytes], terms: Terms, epoch: Epoch
) -> Encrypted:
    """The sum that the round's closing chose, recomputed.

    payloads: what each contributor has posted, by member; read in ascending order, each once.
    Raises Refused naming round, rule and member (0: nobody in particular).
    """
    return _Set(view, payloads, terms, epoch).check()


class Fitting:
    """Whose contributions to an open round can be in a sum, as far as the posts show.

    Each is judged once, in the order of the board: of two that repeat each other the later one is
    left out. Whether the chunks of a vector have their sizes is seen only by who has them.
    payloads: as in ``check_set``; a contribution's is there when the view has it.
    """

    def __init__(
        self, view: RoundView, payloads: Mapping[int, bytes], terms: Terms, epoch: Epoch
    ) -> None:
        self._set, self._view = _Set(view, payloads, terms, epoch), view
        self._seen: dict[mpz | bytes, int] = {}
        self._fits: dict[int, bool] = {}

    @property
    def members(self) -> frozenset[int]:
        """Of those who have contributed by now."""
        for member in self._view.contributions:
            if member not in self._fits:
                self._fits[member] = self._judge(member)
        return frozenset(member for member, fits in self._fits.items() if fits)

    def _judge(self, member: int) -> bool:
        tried = dict(self._seen)  # only what fits keeps another's copy of it out
        try:
            self._set.check_contribution(member, tried)
        except Refused:
            return False
        self._seen = tried
        return True


@dataclass(frozen=True)
class _Set:
    """A closed round under the rules; each method is one rule or a few that belong together."""

    view: RoundView
    payloads: Mapping[int, bytes]
    terms: Terms
    epoch: Epoch

    def check(self) -> Encrypted:
        opening, closing = self._known_round()
        self._check_kind(opening)
        suite = self._suite(opening)
        members = self._contributors(closing)
        if len(closing.vector) != suite.chunk_count(opening.length):
            self._refuse("vector-shape", 0, "the sum's vector has another number of chunks")
        seen = dict[mpz | bytes, int]()
        found = [self._contribution(member, opening, suite, seen) for member in members]
        n = to_number(self.epoch.n)
        total = add_encrypted(found, n)
        if blob_name(write_ciphertexts(total, n)) != closing.total.digest:
            self._refuse("recomputed-sum", 0, "the sum is not that of the contributions")
        return total

    def check_contribution(self, member: int, seen: dict[mpz | bytes, int]) -> None:
        """Raises Refused if a member's contribution to the open round can be in no sum."""
        opening = self.view.terms_of_opening
        assert opening is not None
        self._contribution(member, opening, self._suite(opening), seen)

    def _known_round(self) -> tuple[Opening, Closing]:
        opened, closed = self.view.opening, self.view.closing
        if opened is None or closed is None or opened.post.body.epoch != self.epoch.digest:
            self._refuse("known-round", 0, "it was not opened, or under another key")
        if opened.position > closed.position:
            self._refuse("known-round", 0, "it was closed before it was opened")
        return opened.post.body, closed.post.body

    def _check_kind(self, opening: Opening) -> None:
        """The opening is of the session's kind, and a statistic as a member asked for it."""
        if opening.kind != read_session(self.view.session).opens:
            self._refuse("known-round", 0, f"it was opened for {opening.kind}")
        if opening.kind == "statistic" and request_of(self.view) is None:
            self._refuse("request", 0, "no member had asked for what was opened")
        if opening.kind == "training" and (opening.decimals or opening.labels):
            self._refuse("request", 0, "training has no decimals and no labels")

    def _suite(self, opening: Opening) -> Suite:
        due = suite_of("paillier", self.terms)
        if opening.kind == "training":
            due = suite_for(self.terms, opening.length)
        if opening.suite != due.name:
            self._refuse("suite", 0, f"it was opened for {opening.suite}, due is {due.name}")
        return due

    def _contributors(self, closing: Closing) -> list[int]:
        """Enough distinct members, in order, each with the contribution that the board has."""
        members = self.view.contributors
        if members != sorted(set(members)):
            self._refuse("contributors", 0, "the closing names a member twice or out of order")
        least = self.terms.least_contributors
        if len(members) < least:
            names = ", ".join(self.terms.name_of(m) for m in members) or "nobody"
            reason = f"the sum holds {len(members)} ({names}), the terms ask for at least {least}"
            self._refuse("min-contributors", 0, reason)
        for contributor in closing.contributors:
            seen = self.view.contributions.get(contributor.member)
            if seen is None or seen.digest != contributor.contribution:
                self._refuse("contributors", contributor.member, "its contribution is another")
        return members

    def _contribution(
        self, member: int, opening: Opening, suite: Suite, seen: dict[mpz | bytes, int]
    ) -> Encrypted:
        """One member's ciphertexts; ``seen`` takes them, and the names of its vector's chunks."""
        body = self._answer(self.view.contributions[member], member)
        n = to_number(self.epoch.n)
        try:
            found = read_ciphertexts(self.payloads.get(member, b""), opening, self.terms, n)
        except Malformed as error:
            self._refuse("valid-ciphertexts", member, error.reason)
        for name in (*found.values, *body.vector):
            if name in seen:
                self._refuse("repeated-ciphertext", member, "a ciphertext occurs twice")
            seen[name] = member
        if len(body.vector) != suite.chunk_count(opening.length):
            self._refuse("vector-shape", member, "its vector has another number of chunks")
        try:
            check_proof(found, body, self.view.session, member, EncryptionKey.of(self.epoch))
        except Malformed as error:
            self._refuse("proof-of-plaintext", member, error.reason)
        return found

    def _answer(self, posted: Posted[Contribution], member: int) -> Contribution:
        """The contribution, which answers the round's opening and nothing that came later."""
        body, opening = posted.post.body, self.view.opening
        assert opening is not None
        if body.opening != opening.digest or posted.position < opening.position:
            self._refuse("contributors", member, "its contribution is for another opening")
        return body

    def _refuse(self, rule: str, member: int, reason: str) -> NoReturn:
        raise Refused(self.view.name, rule, member, reason)
