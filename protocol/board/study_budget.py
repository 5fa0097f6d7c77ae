"""How much a member may say of studies and in their rounds, and whose word counts in them.

A study begins with the first plan under its name. Who has approved to contribute may state models
and contribute, but to no round that was opened before; who has approved to open may lock; and who
has locked releases its part, whatever it or others say of the study afterwards.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from protocol.board.key_history import KeyHistory
from protocol.board.payload_sizes import (
    chunk_bytes,
    chunk_count,
    labels_bytes,
    list_bytes,
    round_bytes,
)
from protocol.board.rest import BudgetState, Spent
from protocol.board.study import Studies, Study, StudyState, check_plan
from protocol.encoding import encode
from protocol.errors import BadPlan
from protocol.messages import (
    MAX_ENTRIES_BYTES,
    MAX_INLINE_BYTES,
    MAX_LABELS_BYTES,
    Approval,
    Body,
    Closing,
    Complaint,
    Contribution,
    Ending,
    ModelEntries,
    Near,
    Opening,
    Partial,
    Plan,
    Refusal,
    SessionName,
    SetLock,
    Statement,
    Statistic,
    Training,
    Withdrawal,
    read_session,
)
from protocol.terms import Terms

LABELS_BYTES_A_DAY = 8 * MAX_LABELS_BYTES  # of a member's plans
ENTRIES_BYTES_A_DAY = 8 * MAX_ENTRIES_BYTES  # of the lists of what its models are made of
_LEAST_UPLOAD_BYTES = 4 << 20
_DAY_MS = 24 * 3_600_000


@dataclass
class _Round:
    """What counts of one round; ``opened_at``: the position of its opening."""

    opening: Opening | None = None
    opened_at: int = 0
    is_closed: bool = False
    locked: set[int] = field(default_factory=set)


@dataclass
class _Daily:
    """Bytes that a member has spent, with their times; what is older than a day counts no more."""

    total: int = 0
    spent: deque[tuple[int, int]] = field(default_factory=deque)

    def at(self, time_ms: int) -> int:
        """The bytes of the day before that time."""
        gone = takewhile(lambda one: one[0] + _DAY_MS <= time_ms, self.spent)
        return self.total - sum(size for _, size in gone)

    def add(self, time_ms: int, size: int) -> None:
        self.total = self.at(time_ms) + size
        self.spent.append((time_ms, size))
        while self.spent[0][0] + _DAY_MS <= time_ms:
            self.spent.popleft()


class StudyBudget:
    """What counts of all studies and their rounds, and what would be too much."""

    def __init__(self, terms: Terms, studies: Studies, key: KeyHistory) -> None:
        """studies, key: of the board, with all that counted before."""
        self._terms, self._studies, self._key = terms, studies, key
        self._labels = defaultdict[int, _Daily](_Daily)  # by member, of its plans
        self._lists = defaultdict[int, _Daily](_Daily)
        self._rounds: dict[str, _Round] = {}
        self._next: dict[str, int] = {}  # by study: the first round that was not opened
        self.upload_bytes = _LEAST_UPLOAD_BYTES  # of the largest post that a round may need

    def excess(self, session: str, sender: int, body: Body, time_ms: int) -> str:
        """Why a post is too much, or is not its sender's to say; empty if it is neither."""
        named = read_session(session)
        state = self._studies.get(named.study)
        if isinstance(body, Plan):
            return self._plan_excess(state, sender, body, time_ms)
        if state is None:
            return f"nobody has proposed the study {named.study}"
        if isinstance(body, Approval | Withdrawal | Ending):
            return _word_excess(state, sender, body)
        found = self._rounds.get(session, _Round())
        return (
            self._early_excess(state.study, named, found)
            or _excess_of_right(state, sender, body, found)
            or self.bar(session, sender, body)
            or self._size_excess(state.study, sender, body, found, time_ms)
        )

    def chunk_excess(self, session: str, sizes: Iterable[int]) -> str:
        """Why chunks of so many bytes are too large for a contribution's vector, empty if not."""
        opening = self._rounds.get(session, _Round()).opening
        state = self._studies.get(read_session(session).study)
        size, most = max(sizes, default=0), 0
        if opening is not None and state is not None:
            most = chunk_bytes(opening, state.study)
        return f"a chunk of {size} bytes, where the round has at most {most}" if size > most else ""

    def take(self, position: int, session: str, sender: int, body: Body, time_ms: int) -> None:
        """Count a post, which stands at that position."""
        if isinstance(body, Plan) and isinstance(body.work, Statistic) and body.work.labels:
            self._labels[sender].add(time_ms, labels_bytes(body.work.labels))
        elif isinstance(body, ModelEntries):
            self._lists[sender].add(time_ms, len(encode(body)))
        elif isinstance(body, Opening | SetLock | Closing):
            was_opened = self._rounds.get(session, _Round()).opening is not None
            self.remember(position, session, sender, body)
            if isinstance(body, Opening) and not was_opened:
                self._take_opening(session, body)

    def _take_opening(self, session: str, body: Opening) -> None:
        study, number = (named := read_session(session)).study, named.number
        if number == self._next.get(study, 1):
            self._next[study] = number + 1
        if (state := self._studies.get(study)) is not None:
            self.upload_bytes = max(self.upload_bytes, round_bytes(body, state.study))

    # ── at rest ──

    def forget(self, session: str) -> None:
        """Let go of a round that is at rest."""
        self._rounds.pop(session, None)

    def remember(self, position: int, session: str, sender: int, body: Body) -> None:
        """Count for its round alone what follows from a post."""
        if not isinstance(body, Opening | SetLock | Closing):
            return
        found = self._rounds.setdefault(session, _Round())
        if isinstance(body, SetLock):
            found.locked.add(sender)
        elif isinstance(body, Closing):
            found.is_closed = True
        elif isinstance(body, Opening) and found.opening is None:
            found.opening, found.opened_at = body, position

    @property
    def spent(self) -> tuple[tuple[Spent, ...], tuple[Spent, ...]]:
        """Of labels, and of lists of entries."""
        return _spent(self._labels), _spent(self._lists)

    @property
    def due(self) -> tuple[tuple[str, int], ...]:
        """By study, the first round that was not opened."""
        return tuple(sorted(self._next.items()))

    def opened(self, study: str) -> int:
        """How many of a study's rounds were opened, one after the other from the first on."""
        return self._next.get(study, 1) - 1

    def resume(self, state: BudgetState) -> None:
        """Go on from what counted over all rounds."""
        self._labels, self._lists = _daily(state.labels), _daily(state.lists)
        self._next, self.upload_bytes = dict(state.due), state.upload_bytes

    # ── plans ──

    def _plan_excess(self, state: StudyState | None, sender: int, body: Plan, time_ms: int) -> str:
        if state is not None:
            return f"the name {state.study.name} is taken, and names are never used again"
        try:
            check_plan(body, self._terms)
        except BadPlan as error:
            return f"no plan of this federation has such {error.field}: {error.reason}"
        if isinstance(body.work, Training):
            return self._start_excess(body.work)
        size, spent = labels_bytes(body.work.labels), self._labels[sender].at(time_ms)
        if size > MAX_LABELS_BYTES:
            return f"labels of {size} bytes; the most is {MAX_LABELS_BYTES}"
        if body.work.labels and spent + size > LABELS_BYTES_A_DAY:
            return f"{LABELS_BYTES_A_DAY} bytes of labels are the most in a day; try again later"
        return ""

    def _start_excess(self, work: Training) -> str:
        """Whether the model to begin with is one that a study here can have."""
        if not work.start_study:
            return ""
        if work.start_federation:
            known = self._key.inheritance.model_of(work)
            return "" if known else "no model that it could start from was taken over with the key"
        state = self._studies.get(work.start_study)
        if state is None or not state.study.is_training:
            return "nobody has proposed the study whose model it starts from"
        if work.start_round > state.study.rounds:
            return f"the study whose model it starts from has {state.study.rounds} rounds"
        return ""

    # ── rounds ──

    def _early_excess(self, study: Study, named: SessionName, found: _Round) -> str:
        number, due = named.number, self._next.get(study.name, 1)
        if number > study.rounds:
            return f"the study has no more than {study.rounds} rounds"
        if not number and not study.is_training:
            return "a statistic starts from no model"
        if number > due and found.opening is None:
            return f"round {number} is not due before round {due}"
        return ""

    def bar(self, session: str, sender: int, body: Body) -> str:
        """Why the key bars this in a round now; empty if it does not."""
        found, handovers = self._rounds.get(session, _Round()), self._key.handovers
        if not isinstance(body, SetLock | Contribution | Partial):
            return ""
        at, is_lock = found.opened_at, isinstance(body, SetLock)
        if bar := handovers.lock_bar(sender, at) if is_lock else handovers.help_bar(at):
            return bar
        return self._key.stale_bar(at, found.opening.epoch) if found.opening else ""

    def _size_excess(
        self, study: Study, sender: int, body: Body, found: _Round, time_ms: int
    ) -> str:
        if isinstance(body, ModelEntries):
            return self._entries_excess(sender, body, time_ms)
        if isinstance(body, Contribution):
            return _contribution_excess(study, body, found.opening)
        return _partial_excess(study, body, found) if isinstance(body, Partial) else ""

    def _entries_excess(self, sender: int, body: ModelEntries, time_ms: int) -> str:
        size = len(encode(body))
        if size > MAX_ENTRIES_BYTES:
            return f"a list of entries of {size} bytes; the most is {MAX_ENTRIES_BYTES}"
        if self._lists[sender].at(time_ms) + size > ENTRIES_BYTES_A_DAY:
            return f"{ENTRIES_BYTES_A_DAY} bytes of such lists are the most in a day"
        return ""


def _word_excess(state: StudyState, sender: int, body: Approval | Withdrawal | Ending) -> str:
    """Whether a word changes anything: then nobody says the same over and over.

    A withdrawal takes an approval back, and so there are no more of them than of those.
    """
    study = state.study
    if body.plan != study.digest:
        return f"it is about another plan than that of {study.name}"
    if state.is_ended():
        return f"the study {study.name} has ended"
    if isinstance(body, Ending):
        return ""  # said once
    contributes, opens = state.contributes(sender), state.opens(sender)
    if isinstance(body, Withdrawal):
        return "" if contributes or opens else "there is no approval of its sender to take back"
    asked = body.contribute and sender in study.members, body.open
    if not any(asked):
        return "it approves nothing that its sender can do in this study"
    return "its sender has said this before" if asked == (contributes, opens) else ""


def _excess_of_right(state: StudyState, sender: int, body: Body, found: _Round) -> str:
    """Whether it is its sender's to say this in a round now."""
    if isinstance(body, Contribution | Statement | ModelEntries) and not state.contributes(sender):
        return "its sender does not contribute to this study"
    if isinstance(body, Contribution | SetLock) and state.is_ended():
        return "the study has ended"
    if isinstance(body, Contribution):
        if found.opening is None:
            return "the round is not open"
        if not state.contributes(sender, before=found.opened_at):
            return "its sender approved after the round was opened"
    if isinstance(body, SetLock) and not state.opens(sender):
        return "its sender has not approved to open the sums of this study"
    if isinstance(body, Partial | Complaint) and sender not in found.locked:
        return "its sender has locked no set of this round"
    if isinstance(body, Refusal) and not state.has_approved(sender):
        return "its sender has never approved this study"
    return ""


def _contribution_excess(study: Study, body: Contribution, opening: Opening | None) -> str:
    assert opening is not None
    size, most = body.ciphertexts.size, list_bytes(opening, study)
    if size > most:
        return f"ciphertexts of {size} bytes, where the round has at most {most}"
    chunks, due = len(body.vector), chunk_count(opening, study)
    if chunks > due:
        return f"a vector of {chunks} chunks, where the round has {due}"
    return "" if _is_in_order(body.near) else "what it is near to is not in order, or no round"


def _is_in_order(near: Near) -> bool:
    are_rounds = all(read_session(session).is_round for session in near.rounds)
    in_order = (a < b for a, b in pairwise(near.rounds))
    return are_rounds and all(in_order) and all(a < b for a, b in pairwise(near.before))


def _partial_excess(study: Study, body: Partial, found: _Round) -> str:
    if found.opening is None or not found.is_closed:
        return "the round is not closed"
    most = list_bytes(found.opening, study)
    for attachment in body.attachments:
        limit = MAX_INLINE_BYTES if attachment.to else most
        if attachment.size > limit:
            return f"a part of {attachment.size} bytes, where the round has at most {limit}"
    return ""


def _spent(daily: Mapping[int, _Daily]) -> tuple[Spent, ...]:
    return tuple(Spent(member, tuple(one.spent)) for member, one in sorted(daily.items()))


def _daily(spent: Iterable[Spent]) -> defaultdict[int, _Daily]:
    found = defaultdict[int, _Daily](_Daily)
    for one in spent:
        found[one.member] = _Daily(sum(size for _, size in one.bytes), deque(one.bytes))
    return found
