"""How much a member may say in ceremonies: bounds that no honest one can meet.

Before all have joined nobody takes a step. Who has all shares of a batch has spoken in every step
before it; so an honest member is never more than a step ahead of the others, and what it says of
one batch, or of one candidate, is bounded by the terms. A ceremony may begin when somebody has
aborted the one before, and none follows the one that ended with a key
(``protocol.board.key_history``).
"""

from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property

from protocol.board.classes import CandidateLayout
from protocol.board.key_history import Certification
from protocol.board.payload_sizes import batch_bytes, candidate_bytes, certificate_bytes
from protocol.messages import (
    Abort,
    Body,
    Certificate,
    Join,
    Overdue,
    Step,
    attachments_of,
    purpose_of,
)
from protocol.terms import Terms

TWICE = 2  # an honest member says everything once; whoever repeats itself is seen to do so
_STEPS_OF_A_BATCH = 64  # and what is said of them when they last too long
_EARLY_BYTES = 32 << 10
_AFTER_END = 2  # posts that crossed with the abort, or the last certificate
_ABOUT_A_CANDIDATE = ("winner-commit", "winner")


@dataclass
class _Ceremony:
    """What counts of one ceremony."""

    end: Certification
    joined: set[int] = field(default_factory=set)
    said: Counter[Hashable] = field(default_factory=Counter)
    posts: Counter[tuple[int, int]] = field(default_factory=Counter)  # by sender and batch
    size: Counter[Hashable] = field(default_factory=Counter)
    dealt: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # by batch
    told: dict[tuple[int, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    candidates: dict[tuple[int, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    early: Counter[int] = field(default_factory=Counter)  # steps before all have joined
    late: Counter[int] = field(default_factory=Counter)  # posts behind the end

    @property
    def is_over(self) -> bool:
        return self.end.is_aborted or self.end.is_complete


class CeremonyBudget:
    """What counts of all ceremonies, and what would be too much."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._ceremonies: dict[int, _Ceremony] = {}
        self._due = 1  # the first that nobody has aborted

    @cached_property
    def _layout(self) -> CandidateLayout:
        return CandidateLayout(self._terms)

    @cached_property
    def _batch_bytes(self) -> int:
        return batch_bytes(self._terms)

    @cached_property
    def _candidate_bytes(self) -> int:
        return candidate_bytes(self._terms)

    @property
    def upload_bytes(self) -> int:
        """What the posts of a batch may need beside the board."""
        return self._batch_bytes + self._candidate_bytes

    def begins_abort(self, number: int, body: Body) -> bool:
        """Whether a post would be the first abort of a ceremony that is under way."""
        found = self._ceremonies.get(number)
        return isinstance(body, Abort) and not (found and found.is_over)

    def excess(self, number: int, sender: int, body: Body) -> str:
        """Why a post is too much, empty if it is not."""
        if number > self._due:
            return f"ceremony {number} cannot begin before ceremony {self._due} is aborted"
        found = self._ceremonies.get(number) or self._new()
        if found.said[sender, purpose_of(body)] >= TWICE and not isinstance(body, Overdue):
            return "its sender has said this before"
        # A certificate is said once whatever happens: its sender never takes it back.
        if found.is_over and isinstance(body, Join | Step) and found.late[sender] >= _AFTER_END:
            return "the ceremony is over"
        if isinstance(body, Step) and len(found.joined) < self._terms.n_members:
            # It is no step yet, and shows only that its sender breaks the rules.
            is_too_much = found.early[sender] >= TWICE or _size(body) > _EARLY_BYTES
            return "not all members have joined yet" if is_too_much else ""
        if isinstance(body, Certificate):
            size, most = len(body.epoch), certificate_bytes(self._terms)
            return f"a key of {size} bytes, where {most} are the most" if size > most else ""
        return self._step_excess(found, sender, body) if isinstance(body, Step) else ""

    def take(self, number: int, sender: int, body: Body) -> None:
        """Count a post."""
        found = self._ceremonies.get(number)
        if found is None:
            found = self._ceremonies[number] = self._new()
        found.said[sender, purpose_of(body)] += 1
        if isinstance(body, Join):
            found.joined.add(sender)
        if found.is_over and isinstance(body, Join | Step):
            found.late[sender] += 1
        if isinstance(body, Step) and len(found.joined) < self._terms.n_members:
            found.early[sender] += 1
        found.end.take(sender, body)
        if isinstance(body, Step):
            self._take_step(found, sender, body)
        while (due := self._ceremonies.get(self._due)) and due.end.is_aborted:
            self._due += 1

    def _new(self) -> _Ceremony:
        return _Ceremony(Certification(self._terms.n_members))

    def _step_excess(self, found: _Ceremony, sender: int, body: Step) -> str:
        batch, size = body.batch, _size(body)
        if batch and len(found.dealt.get(batch - 1, ())) < self._terms.n_members:
            return f"batch {batch} cannot begin before all have dealt the one before"
        if body.step in _ABOUT_A_CANDIDATE:
            if not self._may_begin(found, sender, body):
                return f"candidate {body.candidate} cannot be tested before the one before"
            spent, most = found.size[sender, batch, body.candidate], self._candidate_bytes
        else:
            if found.posts[sender, batch] >= _STEPS_OF_A_BATCH:
                return f"its sender has said all that there is to say in batch {batch}"
            spent, most = found.size[sender, batch], self._batch_bytes
        if spent + size > TWICE * most:
            return f"{spent + size} bytes in batch {batch}, where {TWICE * most} are the most"
        return ""

    def _may_begin(self, found: _Ceremony, sender: int, body: Step) -> bool:
        """Whether the dealers have told all that its sender tested before in the batch."""
        layout = self._layout
        if body.candidate >= layout.batch_size:
            return False
        begun = found.candidates.get((sender, body.batch), set[int]()) - {body.candidate}
        return all(
            set(layout.dealers(layout.class_of(one))) <= found.told.get((body.batch, one), set())
            for one in begun
        )

    def _take_step(self, found: _Ceremony, sender: int, body: Step) -> None:
        batch, candidate, size = body.batch, body.candidate, _size(body)
        if body.step == "deal":
            found.dealt[batch].add(sender)
        if body.step in _ABOUT_A_CANDIDATE:
            found.candidates[sender, batch].add(candidate)
            found.size[sender, batch, candidate] += size
            if body.step == "winner":
                found.told[batch, candidate].add(sender)
        else:
            found.posts[sender, batch] += 1
            found.size[sender, batch] += size


def _size(body: Step) -> int:
    return sum(attachment.size for attachment in attachments_of(body))
