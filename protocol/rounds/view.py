"""What the board says about one round: who contributed, what was closed, who helps to decrypt."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self, TypeGuard

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from keyshare.rounds import SlotReader, read_head, unpack
from protocol.board import B, Board, Posted, Study, suite_of
from protocol.encoding import digest, encode
from protocol.messages import (
    Closing,
    Complaint,
    Contribution,
    InheritedModels,
    Omission,
    OmissionReason,
    Opening,
    Partial,
    Refusal,
    SetLock,
    Statement,
    read_session,
)

Why = OmissionReason | Literal["closed", "unsaid"]


def says(posted: Posted[Any], kind: type[B]) -> TypeGuard[Posted[B]]:
    """Whether an entry is one of those with bodies of a kind."""
    return isinstance(posted.post.body, kind)


@dataclass
class RoundView:
    """A round as its entries tell it: the first of everything, but the last statement.

    Who has stated a model by mistake may mend it and state another. ``complaints`` are by sender
    and by the member that they name. ``late``: first contributions after the closing; ``omissions``
    are by the member whose contribution the aggregator has left out.
    """

    session: str
    opening: Posted[Opening] | None = None
    contributions: dict[int, Posted[Contribution]] = field(default_factory=dict)
    late: dict[int, Posted[Contribution]] = field(default_factory=dict)
    omissions: dict[int, Omission] = field(default_factory=dict)
    closing: Posted[Closing] | None = None
    lock_posts: dict[int, Posted[SetLock]] = field(default_factory=dict)
    partials: dict[int, Posted[Partial]] = field(default_factory=dict)
    complaints: dict[tuple[int, int], Posted[Complaint]] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    statements: dict[int, Statement] = field(default_factory=dict)
    stated_ms: dict[int, int] = field(default_factory=dict)  # of each member's first statement

    @classmethod
    def of(cls, session: str, entries: Iterable[Posted]) -> Self:
        """A round as these entries of its session tell it."""
        view = cls(session)
        for posted in entries:
            view.receive(posted)
        return view

    @property
    def study(self) -> str:
        """The study that it is a round of."""
        return read_session(self.session).study

    @property
    def number(self) -> int:
        return read_session(self.session).number

    @property
    def name(self) -> str:
        """As people say it: ``cardio/7``."""
        return read_session(self.session).name

    def receive(self, posted: Posted) -> None:
        """Take note of an entry of this session."""
        sender = posted.post.sender
        if says(posted, Opening):
            self.opening = self.opening or posted
        elif says(posted, Closing):
            self.closing = self.closing or posted
        elif says(posted, Contribution):
            if self.closing is None:
                self.contributions.setdefault(sender, posted)
            elif sender not in self.contributions:
                self.late.setdefault(sender, posted)
        elif says(posted, Omission):
            self._omit(posted.post.body)
        elif says(posted, SetLock):
            self.lock_posts.setdefault(sender, posted)
        elif says(posted, Partial):
            self.partials.setdefault(sender, posted)
        elif says(posted, Complaint):
            self.complaints.setdefault((sender, posted.post.body.member), posted)
        elif says(posted, Refusal):
            self.refusals.setdefault(sender, posted.post.body)
        elif says(posted, Statement):
            self.statements[sender] = posted.post.body
            self.stated_ms.setdefault(sender, posted.time_ms)

    def _omit(self, said: Omission) -> None:
        """Take note of a word about a contribution that is here; what is of none says nothing."""
        found = self.contributions.get(said.member)
        if found is not None and found.digest == said.contribution:
            self.omissions.setdefault(said.member, said)

    def needs(self, posted: Posted) -> bool:
        """Whether the payloads of an entry, received next, can matter to anybody in the round.

        They do in a member's first contribution, if it answers the opening before the closing, and
        in its first partial decryptions after that. The sum is recomputed by everybody.
        """
        body, sender = posted.post.body, posted.post.sender
        if isinstance(body, Contribution):
            is_awaited = self.opening is not None and body.opening == self.opening.digest
            return is_awaited and self.closing is None and sender not in self.contributions
        return (
            isinstance(body, Partial) and self.closing is not None and sender not in self.partials
        )

    @property
    def unquestioned(self) -> frozenset[int]:
        """Whose part is there, and called wrong by nobody; whether it is right, readers know."""
        return frozenset(self.partials.keys() - {about for _, about in self.complaints})

    @property
    def locks(self) -> dict[int, bytes]:
        """The set that each member has locked."""
        return {m: posted.post.body.chosen for m, posted in self.lock_posts.items()}

    def agreed(self, least: int) -> dict[int, Statement]:
        """Those who have stated one model alike, at least ``least``, more than half of all."""
        stated = Counter(said.about for said in self.statements.values()).most_common(1)
        model = next((about for about, count in stated if count >= least), None)
        return {m: said for m, said in self.statements.items() if said.about == model}

    @property
    def terms_of_opening(self) -> Opening | None:
        """The opening's body."""
        return self.opening.post.body if self.opening else None

    @property
    def closed(self) -> Closing | None:
        """The closing's body."""
        return self.closing.post.body if self.closing else None

    @property
    def contributors(self) -> list[int]:
        """The members in the sum, in the closing's order; nobody before the closing."""
        return [c.member for c in self.closed.contributors] if self.closed else []

    def chosen(self, federation: bytes) -> bytes | None:
        """The name of the set that the closing chose: round, contributors and sum."""
        if self.closed is None:
            return None
        return digest("quorate/chosen set", federation, self.session.encode(), encode(self.closed))


class LeftOut(NamedTuple):
    """A member whose contribution is on the board, and in no sum of the round.

    The aggregator chooses who is in a sum, and says why somebody is not: that is its word, signed,
    and it may be a lie. What came after the closing is seen by everybody.

    ``why``: as the aggregator says; "closed" for what came after the closing, by the board; or
    "unsaid". ``other``: as in Omission.
    """

    member: int
    why: Why
    other: int = 0


def left_out(view: RoundView) -> list[LeftOut]:
    """All of a round, by member; of one that is not closed, those that can be in no sum.

    Whoever is in the sum is not left out, whatever was said of it.
    """
    found = {m: LeftOut(m, "closed") for m in view.late}
    for member in view.contributions.keys() - set(view.contributors):
        if said := view.omissions.get(member):
            found[member] = LeftOut(member, said.reason, said.other)
        elif view.closing:
            found[member] = LeftOut(member, "unsaid")
    return [found[member] for member in sorted(found)]


def models_up_to(board: Board, position: int) -> tuple[InheritedModels, ...]:
    """The models of a board's studies, and those that it took over itself, before that entry.

    A model counts where ``Study.least_agreeing`` members have stated it: more than f, so that an
    honest one holds it.
    """
    taken = board.key.inheritance.sums
    found = list(taken.models if taken else ())
    for study in (state.study for state in board.studies.values()):
        models = list(_models_of(study, board, position)) if study.is_training else []
        while models and not models[-1]:
            models.pop()
        if models:
            found.append(InheritedModels(study.terms.federation, study.name, tuple(models)))
    return tuple(found)


def _models_of(study: Study, board: Board, position: int) -> Iterator[bytes]:
    """After each round that was opened by then; nothing where too few have stated one."""
    for number in range(1, study.rounds + 1):
        session = study.round(number)
        said = [posted for posted in board.session(session) if posted.position <= position]
        view = RoundView.of(session, said)
        if view.opening is None:
            return
        agreed = view.agreed(study.least_agreeing).values()
        yield next((statement.result for statement in agreed), b"")


def bounds_of(alike: Iterable[Statement], study: Study) -> tuple[float, int]:
    """Clip and most examples of the round that goes on from what members have stated alike.

    The widest that anyone has asked for, within the plan's: who is wronged by the others' counts
    asks for the plan's own (``participant.training.bounds``).
    """
    asked, work = list(alike), study.training
    clip = max((said.clip for said in asked), default=work.clip)
    examples = max((said.max_examples for said in asked), default=work.max_examples)
    return min(clip, work.clip), min(examples, work.max_examples)


def read_training(
    plaintexts: Sequence[mpz], opening: Opening, study: Study, reader: SlotReader
) -> NDArray[np.float64]:
    """The average update from a round's sum under packed Paillier; empty if it is outgrown.

    Raises CorruptSum for a sum that no honest contributions give.
    """
    packing = suite_of("paillier", study).packing(opening.length)
    reader.take_head(read_head(plaintexts, packing))
    if reader.is_outgrown:
        return np.empty(0)
    sums = unpack(plaintexts, packing, packing.head + opening.length)
    return reader.take(sums[packing.head :])
