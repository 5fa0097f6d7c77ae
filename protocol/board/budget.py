"""What each member may put on the board: a pure function of the terms and of the entries before.

The aggregator refuses what is beyond a member's budget. Whoever is shown it nevertheless, by an
aggregator that is in league with the member, treats it as unsaid: nothing is fetched for it, kept
of it, or follows from it. All do the same, since all see the same board. No honest member can
meet a limit, except that of what a person may ask for again and again: then it waits.

The aggregator's own posts have no budget: it is trusted for going on, and for nothing else.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from protocol.board.ceremony_budget import TWICE, CeremonyBudget
from protocol.board.messages import (
    MAX_ENTRIES_BYTES,
    MAX_INLINE_BYTES,
    MAX_LABELS_BYTES,
    Abort,
    Body,
    CardSeen,
    CheckPart,
    CheckRequest,
    Closing,
    Contribution,
    ModelEntries,
    Opening,
    Overdue,
    Partial,
    Request,
    Statement,
    Text,
    purpose_of,
)
from protocol.board.payload_sizes import (
    MAX_CHECK_BYTES,
    chunk_bytes,
    chunk_count,
    labels_bytes,
    list_bytes,
    round_bytes,
    statistic_bytes,
)
from protocol.board.session import read_session
from protocol.encoding import Message, encode
from protocol.terms import AGGREGATOR, Terms

# What no honest member says a second time, not even with a data folder that was put back: it reads
# the board before it speaks, and sends what was on its way as the same post.
_ONCE = (Contribution, Request, CardSeen)
# What may be done again and again: models stated anew, overdue steps named.
TRIES_AN_HOUR = 60
CHECKS_A_DAY = 24  # of the key; a person asks for each
# Ceremonies that a member is the first to give up. All who wait for a silent one give up at about
# the same time, and each needs all members' commands: persons, who look for the cause after a few.
ABORTS_A_DAY = 12
OPEN_REQUESTS = 100  # statistics that one member has asked for, and that are not closed
LABELS_BYTES_A_DAY = 8 * MAX_LABELS_BYTES  # of a member's requests
ENTRIES_BYTES_A_DAY = 8 * MAX_ENTRIES_BYTES  # of the lists of what its models are made of
# What the statistics that a member asks for in a day take of each contributor: with a key of 2048
# bits ten of 100,000 numbers and a hundred of 100. Any other member may ask for more.
STATISTICS_BYTES_A_DAY = 512 << 20
_LEAST_UPLOAD_BYTES = 4 << 20
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS  # a statistic that nobody contributes to counts no longer than that


class Surplus(Message, frozen=True):
    """In the place of a body beyond its sender's budget: it was not said.

    It is on nobody's wire, and no body of a post.
    """

    reason: Text


@dataclass
class _Round:
    """What counts of one round."""

    asked_by: int = 0
    asked_ms: int = 0
    opening: Opening | None = None
    is_closed: bool = False


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


class Budget:
    """What has counted so far, and what would be too much next."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._ceremonies = CeremonyBudget(terms)
        self._said: Counter[Hashable] = Counter()
        self._tries: dict[tuple[int, str], deque[int]] = {}
        self._labels = defaultdict[int, _Daily](_Daily)  # by member, of what it asked for
        self._lists = defaultdict[int, _Daily](_Daily)
        self._statistics = defaultdict[int, _Daily](_Daily)
        self._rounds: dict[str, _Round] = {}
        self._asked: dict[int, dict[str, _Round]] = {}  # by member: not closed, of the last day
        self._next_round = self._next_check = 1
        self._round_bytes = _LEAST_UPLOAD_BYTES  # of the largest post that a round so far may need

    @property
    def upload_bytes(self) -> int:
        """What one honest post so far may need beside the board, by the terms and the openings."""
        return max(self._round_bytes, self._ceremonies.upload_bytes)

    def excess(self, session: str, sender: int, body: Body, time_ms: int) -> str:
        """Why a post would be beyond its sender's budget at that time, empty if it is not.

        time_ms: of its entry, in ms since 1970.
        """
        if sender == AGGREGATOR:
            return ""
        kind, name = read_session(session)
        if kind == "ceremony":
            found = self._ceremonies.excess(int(name), sender, body)
        elif self._has_said(session, sender, body):
            found = "its sender has said this before"
        elif kind == "check":
            found = self._check_excess(int(name), body)
        elif kind == "address":
            found = ""  # there is one for each number, and the aggregator has signed them all
        else:
            found = self._round_excess(session, sender, body, time_ms)
        return found or self._try_excess(session, sender, body, time_ms)

    def chunk_excess(self, session: str, sizes: Iterable[int]) -> str:
        """Why chunks of so many bytes are too large for a contribution's vector, empty if not.

        The board has their names alone: whoever has the blobs asks this beside ``excess``.
        """
        opening = self._rounds.get(session, _Round()).opening
        size, most = max(sizes, default=0), chunk_bytes(opening, self._terms) if opening else 0
        return f"a chunk of {size} bytes, where the round has at most {most}" if size > most else ""

    def take(self, session: str, sender: int, body: Body, time_ms: int) -> None:
        """Count a post that is within its sender's budget."""
        kind, name = read_session(session)
        tries = self._tries_of(session, sender, body)
        if tries is not None:
            tries.append(time_ms)
            while len(tries) > TRIES_AN_HOUR:  # more than anything may be tried in its time
                tries.popleft()
        if kind == "ceremony":
            self._ceremonies.take(int(name), sender, body)
            return
        self._said[session, sender, purpose_of(body)] += 1
        if kind == "check":
            if isinstance(body, CheckRequest) and int(name) == self._next_check:
                self._next_check += 1
        elif kind != "address":
            self._take_round(session, sender, body, time_ms)

    def _has_said(self, session: str, sender: int, body: Body) -> bool:
        """Whether a member has said as often as it may what a post is for; not in a ceremony."""
        if isinstance(body, Statement):
            return False  # a model may be stated anew
        most = 1 if isinstance(body, _ONCE) else TWICE
        return self._said[session, sender, purpose_of(body)] >= most

    # ── rounds ──

    def _round_excess(self, session: str, sender: int, body: Body, time_ms: int) -> str:
        found = self._rounds.get(session, _Round())
        kind, name = read_session(session)
        if kind == "round":
            number = int(name)
            if number > self._next_round and found.opening is None:
                return f"round {number} is not due before round {self._next_round}"
        elif isinstance(body, Request):
            return self._request_excess(sender, body, time_ms)
        elif not found.asked_by and found.opening is None:
            return "nobody has asked for this statistic"
        if isinstance(body, ModelEntries):
            return self._entries_excess(sender, body, time_ms)
        if isinstance(body, Contribution):
            return self._contribution_excess(body, found.opening)
        return self._partial_excess(body, found) if isinstance(body, Partial) else ""

    def _request_excess(self, sender: int, body: Request, time_ms: int) -> str:
        asked = self._asked.get(sender, {})
        waiting = sum(time_ms < one.asked_ms + _DAY_MS for one in asked.values())
        if waiting >= OPEN_REQUESTS:
            return f"{waiting} statistics that its sender asked for are not closed yet"
        size, spent = labels_bytes(body.labels), self._labels[sender].at(time_ms)
        if size > MAX_LABELS_BYTES:
            return f"labels of {size} bytes; the most is {MAX_LABELS_BYTES}"
        if body.labels and spent + size > LABELS_BYTES_A_DAY:
            return f"{LABELS_BYTES_A_DAY} bytes of labels are the most in a day; try again later"
        taken = statistic_bytes(body.length, self._terms)
        if self._statistics[sender].at(time_ms) + taken > STATISTICS_BYTES_A_DAY:
            return (
                f"statistics of {STATISTICS_BYTES_A_DAY >> 20} MiB from each contributor are the "
                f"most that a member asks for in a day, and this one has {-(-taken >> 20)} MiB. "
                "Try again later, or let another member ask for it"
            )
        return ""

    def _entries_excess(self, sender: int, body: ModelEntries, time_ms: int) -> str:
        size = len(encode(body))
        if size > MAX_ENTRIES_BYTES:
            return f"a list of entries of {size} bytes; the most is {MAX_ENTRIES_BYTES}"
        if self._lists[sender].at(time_ms) + size > ENTRIES_BYTES_A_DAY:
            return f"{ENTRIES_BYTES_A_DAY} bytes of such lists are the most in a day"
        return ""

    def _contribution_excess(self, body: Contribution, opening: Opening | None) -> str:
        if opening is None:
            return "the round is not open"
        size, most = body.ciphertexts.size, list_bytes(opening, self._terms)
        if size > most:
            return f"ciphertexts of {size} bytes, where the round has at most {most}"
        chunks, due = len(body.vector), chunk_count(opening, self._terms)
        if chunks > due:
            return f"a vector of {chunks} chunks, where the round has {due}"
        return ""

    def _partial_excess(self, body: Partial, found: _Round) -> str:
        if found.opening is None or not found.is_closed:
            return "the round is not closed"
        most = list_bytes(found.opening, self._terms)
        for attachment in body.attachments:
            limit = MAX_INLINE_BYTES if attachment.to else most
            if attachment.size > limit:
                return f"a part of {attachment.size} bytes, where the round has at most {limit}"
        return ""

    def _take_round(self, session: str, sender: int, body: Body, time_ms: int) -> None:
        if isinstance(body, ModelEntries):
            self._lists[sender].add(time_ms, len(encode(body)))
        if not isinstance(body, Request | Opening | Closing):
            return
        found = self._rounds.setdefault(session, _Round())
        if isinstance(body, Request):
            if body.labels:
                self._labels[sender].add(time_ms, labels_bytes(body.labels))
            self._statistics[sender].add(time_ms, statistic_bytes(body.length, self._terms))
            if not found.asked_by:
                found.asked_by, found.asked_ms = sender, time_ms
                waiting = self._asked.get(sender, {}).items()
                fresh = {s: one for s, one in waiting if time_ms < one.asked_ms + _DAY_MS}
                self._asked[sender] = {**fresh, session: found}
        elif isinstance(body, Closing):
            found.is_closed = True
            self._asked.get(found.asked_by, {}).pop(session, None)
        elif found.opening is None:
            found.opening = body
            self._round_bytes = max(self._round_bytes, round_bytes(body, self._terms))
            if session == f"round/{self._next_round}":
                self._next_round += 1

    # ── checks, and what a person may try again ──

    def _check_excess(self, number: int, body: Body) -> str:
        if number > self._next_check:
            return f"check {number} cannot begin before check {self._next_check}"
        if isinstance(body, CheckPart):
            if number == self._next_check:
                return "nobody has asked for this check"
            if body.payload.size > MAX_CHECK_BYTES:
                return f"a part of {body.payload.size} bytes; the most is {MAX_CHECK_BYTES}"
        return ""

    def _try_excess(self, session: str, sender: int, body: Body, time_ms: int) -> str:
        tries = self._tries_of(session, sender, body)
        most, span, word = TRIES_AN_HOUR, _HOUR_MS, "hour"
        if isinstance(body, Abort | CheckRequest):
            most = ABORTS_A_DAY if isinstance(body, Abort) else CHECKS_A_DAY
            span, word = _DAY_MS, "day"
        if tries and len(tries) >= most and time_ms < tries[-most] + span:
            return f"{most} times in the last {word} is the most; try again later"
        return ""

    def _tries_of(self, session: str, sender: int, body: Body) -> deque[int] | None:
        """When a member did what may be done again; None of all else."""
        if isinstance(body, Abort):
            number = read_session(session).number
            if not self._ceremonies.begins_abort(number, body):
                return None
        elif isinstance(body, Statement):
            if not self._said[session, sender, Statement]:
                return None
        elif not isinstance(body, CheckRequest | Overdue):
            return None
        return self._tries.setdefault((sender, type(body).__name__), deque())
