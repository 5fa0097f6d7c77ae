"""What a round's payloads tell: which contributions are as they should be, and whether the sum is.

It is what takes long, and each round is judged by itself. So rounds may be judged in other
processes (``Spread``): what is asked for and what comes back are plain values.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gmpy2 import mpz

from protocol.board import Posted, StudyState, chunk_count, expected_count
from protocol.errors import Malformed, Refused
from protocol.key import Epoch
from protocol.messages import Attachment, Contribution
from protocol.rounds import (
    Encrypted,
    EncryptionKey,
    ProofCheck,
    RoundView,
    check_proof,
    check_set,
    read_ciphertexts,
)

ReadPayload = Callable[[Attachment], bytes]


@dataclass(frozen=True, slots=True)
class JudgedContribution:
    """A member's contribution to a round: how many ciphertexts, and what is wrong with it.

    position, digest: of its post. answers: whether it is for the round's opening; is_here: whether
    its payload is in the record as named; faults of form (unreadable, not units, too many or few),
    of repetition and of the proof are each empty if there is none.
    """

    member: int
    position: int
    digest: bytes
    answers: bool
    is_here: bool = True
    count: int = 0
    form: str = ""
    repetition: str = ""
    proof: str = ""


class JudgedRound(NamedTuple):
    """The contributions that the round's members see, and what their sum is.

    refused: the rule that the closing breaks. is_whole: whether the record has all that the sum is
    made of; without it nothing is refused.
    """

    contributions: tuple[JudgedContribution, ...]
    refused: Refused | None = None
    is_whole: bool = True


@dataclass
class RoundToJudge:
    """A round, as its opening, contributions and closing tell it.

    state: of the study, with all that the board says of it. epoch: the key that the round was
    opened under; None if that was not the newest one then.
    """

    view: RoundView
    state: StudyState
    epoch: Epoch | None

    @classmethod
    def of(cls, view: RoundView, state: StudyState, epoch: Epoch | None) -> "RoundToJudge":
        """Without what the payloads have nothing to do with."""
        told = RoundView(view.session, view.opening, view.contributions, closing=view.closing)
        return cls(told, state, epoch)

    def as_due(self) -> JudgedRound:
        """What is found where nothing is wrong."""
        opening, study = self.view.terms_of_opening, self.state.study
        count = expected_count(opening, study) if opening else 0
        return JudgedRound(
            tuple(
                JudgedContribution(one.post.sender, one.position, one.digest, True, count=count)
                for one in self.view.contributions.values()
            )
        )

    def judge(self, read: ReadPayload) -> JudgedRound:
        """Judge all that payloads tell; each proof is checked once."""
        proofs = _Proofs()
        seen = dict[mpz | bytes, int]()
        found = tuple(
            self._judge(posted, seen, read, proofs) for posted in self.view.contributions.values()
        )
        try:
            self.sum(read, proofs.check)
        except Refused as refusal:
            return JudgedRound(found, refusal)
        except NotHereError:
            return JudgedRound(found, is_whole=False)
        return JudgedRound(found)

    def sum(self, read: ReadPayload, check: ProofCheck | None = None) -> Encrypted:
        """The sum that the closing chose, recomputed. Raises Refused, NotHereError."""
        if self.epoch is None:
            raise Refused(self.view.name, "known-round", 0, "it was opened under no known key")
        return check_set(self.view, _Payloads(self.view, read), self.state, self.epoch, check)

    def _judge(
        self,
        posted: Posted[Contribution],
        seen: dict[mpz | bytes, int],
        read: ReadPayload,
        proofs: "_Proofs",
    ) -> JudgedContribution:
        """As for ``set_rules.Fitting``, only what could be in a sum keeps another's copy out."""
        body, opening, sender = posted.post.body, self.view.terms_of_opening, posted.post.sender
        is_answer = self.view.opening is not None and body.opening == self.view.opening.digest
        said = JudgedContribution(sender, posted.position, posted.digest, is_answer)
        if not is_answer or opening is None or self.epoch is None:
            return said
        key, study = EncryptionKey.of(self.epoch), self.state.study
        try:
            payload = read(body.ciphertexts)
        except Malformed:
            return replace(said, is_here=False)
        try:
            found = read_ciphertexts(payload, opening, study, key.encryptor.n)
        except Malformed as error:
            return replace(said, form=error.reason)
        names = (*found.values, *body.vector)
        repetition, proof = self._repetition(names, seen), ""
        try:
            proofs.check(found, body, self.view.session, sender, key)
        except Malformed as error:
            proof = error.reason
        is_whole = len(body.vector) == chunk_count(opening, study)
        if is_whole and not repetition and not proof:
            seen.update(dict.fromkeys(names, sender))
        return replace(said, count=len(found.values), repetition=repetition, proof=proof)

    def _repetition(self, names: Sequence[mpz | bytes], seen: Mapping[mpz | bytes, int]) -> str:
        if first := next((seen[name] for name in names if name in seen), 0):
            name = self.state.study.terms.name_of(first)
            return f"a ciphertext is one that {name} has contributed"
        return "a ciphertext occurs twice in it" if len(set(names)) < len(names) else ""


class NotHereError(Exception):
    """A payload that the record lacks is nobody's fault, unlike one that does not read."""


class _Proofs:
    """The proofs of a round: each is asked for by itself and in the sum, and checked once."""

    def __init__(self) -> None:
        self._checked = dict[tuple[int, Encrypted, Contribution], Malformed | None]()

    def check(
        self, found: Encrypted, body: Contribution, session: str, member: int, key: EncryptionKey
    ) -> None:
        """As ``check_proof``, in this round under its one key."""
        asked = member, found, body
        if asked not in self._checked:
            try:
                check_proof(found, body, session, member, key)
                self._checked[asked] = None
            except Malformed as error:
                self._checked[asked] = error
        if (fault := self._checked[asked]) is not None:
            raise fault


class _Payloads(Mapping[int, bytes]):
    """Contributions' payloads by member, each read when it is asked for."""

    def __init__(self, view: RoundView, read: ReadPayload) -> None:
        self._contributions, self._read = view.contributions, read

    def __getitem__(self, member: int) -> bytes:
        try:
            return self._read(self._contributions[member].post.body.ciphertexts)
        except Malformed:
            raise NotHereError from None

    def __iter__(self) -> Iterator[int]:
        return iter(self._contributions)

    def __len__(self) -> int:
        return len(self._contributions)
