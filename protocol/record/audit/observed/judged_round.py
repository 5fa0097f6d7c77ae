"""What a round's payloads tell: which contributions are as they should be, and whether the sum is.

It is what takes long, and each round is judged by itself. So rounds may be judged in other
processes (``Spread``): what is asked for and what comes back are plain values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gmpy2 import mpz

from protocol.board import Posted, StudyState, chunk_count, expected_count
from protocol.errors import Malformed, Refused
from protocol.key import Epoch
from protocol.messages import Contribution
from protocol.record.audit.observed.round_contents import (
    NotHereError,
    ReadPayload,
    RoundContents,
    check_together,
)
from protocol.rounds import Encrypted, RoundView, check_set

_TOGETHER_BYTES = 1 << 22


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

    def contents(self, read: ReadPayload) -> RoundContents:
        """What its contributions hold."""
        return RoundContents(self.view, self.state.study, self.epoch, read)

    def judge(self, contents: RoundContents) -> JudgedRound:
        """Judge all that payloads tell."""
        seen = dict[mpz | bytes, int]()
        found = tuple(
            self._judge(posted, seen, contents) for posted in self.view.contributions.values()
        )
        try:
            self.sum(contents)
        except Refused as refusal:
            return JudgedRound(found, refusal)
        except NotHereError:
            return JudgedRound(found, is_whole=False)
        return JudgedRound(found)

    def sum(self, contents: RoundContents) -> Encrypted:
        """The sum that the closing chose, recomputed. Raises Refused, NotHereError."""
        if self.epoch is None:
            raise Refused(self.view.name, "known-round", 0, "it was opened under no known key")
        look = contents.check, contents.read
        return check_set(self.view, contents, self.state, self.epoch, *look)

    def _judge(
        self, posted: Posted[Contribution], seen: dict[mpz | bytes, int], contents: RoundContents
    ) -> JudgedContribution:
        """As for ``set_rules.Fitting``, only what could be in a sum keeps another's copy out."""
        body, opening, sender = posted.post.body, self.view.terms_of_opening, posted.post.sender
        is_answer, key = contents.answers(posted), contents.key
        said = JudgedContribution(sender, posted.position, posted.digest, is_answer)
        if not is_answer or opening is None or key is None:
            return said
        study = self.state.study
        try:
            found = contents.read(contents[sender], opening, study, key.encryptor.n)
        except NotHereError:
            return replace(said, is_here=False)
        except Malformed as error:
            return replace(said, form=error.reason)
        names = (*found.values, *body.vector)
        repetition, proof = self._repetition(names, seen), ""
        try:
            contents.check(found, body, self.view.session, sender, key)
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


def judge_all(asked: Sequence[RoundToJudge], read: ReadPayload) -> list[JudgedRound]:
    """What the payloads of each round tell; ``read`` raises Malformed for one that is not here."""
    found = list[JudgedRound]()
    for some in _together(asked):
        contents = [one.contents(read) for one in some]
        check_together(contents)
        found += [one.judge(held) for one, held in zip(some, contents, strict=True)]
    return found


def _together(asked: Sequence[RoundToJudge]) -> Iterator[list[RoundToJudge]]:
    """Rounds whose contributions are held at one time: one at least, not too many bytes of them."""
    some, size = list[RoundToJudge](), 0
    for one in asked:
        own = sum(p.post.body.ciphertexts.size for p in one.view.contributions.values())
        if some and size + own > _TOGETHER_BYTES:
            yield some
            some, size = [], 0
        some.append(one)
        size += own
    if some:
        yield some
