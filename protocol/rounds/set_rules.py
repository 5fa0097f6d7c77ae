"""The rules of a set: whether a round's closing may be decrypted, from what is public alone.

The round is one of this epoch, opened for this very plan while enough had approved it, as the plan
says; the study had not ended when it was closed; enough distinct members contributed, each with a
contribution that was seen signed, and none of them had withdrawn by then; no ciphertext occurs
twice; whoever contributed, to training or to a statistic, has proved that it knows what it
encrypted; and the sum is the product of the contributions. A hospital asks this before it locks a
set; whoever has the record may ask it later. That a hospital helps with one set of a round only is
its own ledger's concern.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from gmpy2 import mpz
from msgspec.structs import replace

from protocol.board import Posted, Study, StudyState, chunk_count, suite_for
from protocol.errors import Malformed, Refused
from protocol.key import Epoch, to_number
from protocol.messages import Closing, Contribution, Opening, blob_name
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    add_encrypted,
    check_proof,
    read_ciphertexts,
    write_ciphertexts,
)
from protocol.rounds.statistic import opening_for
from protocol.rounds.view import RoundView

ProofCheck = Callable[[Encrypted, Contribution, str, int, EncryptionKey], None]
CiphertextsRead = Callable[[bytes, Opening, Study, mpz], Encrypted]


def check_set(
    view: RoundView,
    payloads: Mapping[int, bytes],
    state: StudyState,
    epoch: Epoch,
    check: ProofCheck | None = None,
    read: CiphertextsRead | None = None,
) -> Encrypted:
    """The sum that the round's closing chose, recomputed.

    payloads: what each contributor has posted, by member; read in ascending order, each once.
    state: of the round's study, as the board tells it now or later: the closing's own place counts.
    check, read: in place of ``check_proof`` and ``read_ciphertexts``, for who has asked before.
    Raises Refused naming round, rule and member (0: nobody in particular).
    """
    look = check or check_proof, read or read_ciphertexts
    return _Set(view, payloads, state, epoch, *look).check()


class Fitting:
    """Whose contributions to an open round can be in a sum, as far as the posts show.

    Each is judged once, in the order of the board: of two that repeat each other the later one is
    left out. So is whoever has withdrawn. Whether the chunks of a vector have their sizes is seen
    only by who has them.
    payloads: as in ``check_set``; a contribution's is there when the view has it.
    """

    def __init__(
        self, view: RoundView, payloads: Mapping[int, bytes], state: StudyState, epoch: Epoch
    ) -> None:
        self._set = _Set(view, payloads, state, epoch, check_proof, read_ciphertexts)
        self._view, self._state = view, state
        self._seen: dict[mpz | bytes, int] = {}
        self._fits: dict[int, bool] = {}

    @property
    def members(self) -> frozenset[int]:
        """Of those who have contributed by now."""
        for member in self._view.contributions:
            if member not in self._fits:
                self._fits[member] = self._judge(member)
        end = self._view.closing.position if self._view.closing else None
        fit = (member for member, fits in self._fits.items() if fits)
        return frozenset(member for member in fit if self._state.contributes(member, end))

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
    state: StudyState
    epoch: Epoch
    check_proof: ProofCheck
    read: CiphertextsRead

    @property
    def study(self) -> Study:
        return self.state.study

    def check(self) -> Encrypted:
        opened, closed = self._known_round()
        opening, closing = opened.post.body, closed.post.body
        self._check_plan(opened, closed)
        self._check_work(opening)
        members = self._contributors(closed)
        if len(closing.vector) != chunk_count(opening, self.study):
            self._refuse("vector-shape", 0, "the sum's vector has another number of chunks")
        seen = dict[mpz | bytes, int]()
        found = [self._contribution(member, opening, seen) for member in members]
        n = to_number(self.epoch.n)
        total = add_encrypted(found, n)
        if blob_name(write_ciphertexts(total, n)) != closing.total.digest:
            self._refuse("recomputed-sum", 0, "the sum is not that of the contributions")
        return total

    def check_contribution(self, member: int, seen: dict[mpz | bytes, int]) -> None:
        """Raises Refused if a member's contribution to the open round can be in no sum."""
        opening = self.view.terms_of_opening
        assert opening is not None
        self._check_work(opening)
        self._contribution(member, opening, seen)

    def _known_round(self) -> tuple[Posted[Opening], Posted[Closing]]:
        opened, closed = self.view.opening, self.view.closing
        if opened is None or closed is None or opened.post.body.epoch != self.epoch.digest:
            self._refuse("known-round", 0, "it was not opened, or under another key")
        if opened.position > closed.position:
            self._refuse("known-round", 0, "it was closed before it was opened")
        if self.view.study != self.study.name or not 1 <= self.view.number <= self.study.rounds:
            self._refuse("known-round", 0, "the study has no such round")
        return opened, closed

    def _check_plan(self, opened: Posted[Opening], closed: Posted[Closing]) -> None:
        """It was opened for the plan that members had approved, and closed before its end."""
        if opened.post.body.plan != self.study.digest:
            self._refuse("plan", 0, "it was opened for another plan")
        if not self.state.is_open(opened.position):
            self._refuse("approved", 0, "too few had approved the study when it was opened")
        if self.state.is_ended(closed.position):
            self._refuse("ended", 0, "the study had ended when it was closed")

    def _check_work(self, opening: Opening) -> None:
        """It was opened as the plan says: a statistic in all, training with the suite that is due.

        Beside the suite, whoever trains checks model and bounds (participant/training).
        """
        study = self.study
        if study.is_training:
            due = suite_for(study, opening.length).name
            if opening.suite != due:
                self._refuse("suite", 0, f"it was opened for {opening.suite}, due is {due}")
        elif opening != replace(opening_for(study, opening.epoch), plan=opening.plan):
            self._refuse("statistic", 0, "it was opened otherwise than its plan says")

    def _contributors(self, closed: Posted[Closing]) -> list[int]:
        """Enough distinct members, in order, each with the contribution that the board has."""
        members, study = self.view.contributors, self.study
        if members != sorted(set(members)):
            self._refuse("contributors", 0, "the closing names a member twice or out of order")
        least = study.least_contributors
        if len(members) < least:
            names = ", ".join(study.terms.name_of(m) for m in members) or "nobody"
            reason = f"the sum holds {len(members)} ({names}), the study asks for at least {least}"
            self._refuse("min-contributors", 0, reason)
        for contributor in closed.post.body.contributors:
            seen = self.view.contributions.get(contributor.member)
            if seen is None or seen.digest != contributor.contribution:
                self._refuse("contributors", contributor.member, "its contribution is another")
        for member in members:
            if not self.state.contributes(member, closed.position):
                reason = "it had withdrawn from the study when the round was closed"
                self._refuse("withdrawn", member, reason)
        return members

    def _contribution(
        self, member: int, opening: Opening, seen: dict[mpz | bytes, int]
    ) -> Encrypted:
        """One member's ciphertexts; ``seen`` takes them, and the names of its vector's chunks."""
        body = self._answer(self.view.contributions[member], member)
        n = to_number(self.epoch.n)
        try:
            found = self.read(self.payloads.get(member, b""), opening, self.study, n)
        except Malformed as error:
            self._refuse("valid-ciphertexts", member, error.reason)
        for name in (*found.values, *body.vector):
            if name in seen:
                self._refuse("repeated-ciphertext", member, "a ciphertext occurs twice")
            seen[name] = member
        if len(body.vector) != chunk_count(opening, self.study):
            self._refuse("vector-shape", member, "its vector has another number of chunks")
        try:
            self.check_proof(found, body, self.view.session, member, EncryptionKey.of(self.epoch))
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
