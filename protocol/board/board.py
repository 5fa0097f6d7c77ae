"""The board: an append-only chain of signed posts, the same for everyone or visibly forked.

A post names the head that its sender had seen; the aggregator gives it a position. Entry hash =
H(position, previous entry hash, time, signed post). Two boards that differ in one entry have
different heads from there on, and part for good at the first post that crosses.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, Self, TypeVar

from msgspec.structs import replace

from protocol.board.budget import Budget, Surplus
from protocol.board.key_history import KeyHistory
from protocol.board.post import (
    POST_SIGNATURE,
    Entry,
    Head,
    OpenedEntry,
    Post,
    Posted,
    SignedPost,
    addresses,
    attachments_fit,
    genesis,
)
from protocol.board.rest import (
    BoardState,
    LastWord,
    Listed,
    PostedEntries,
    Read,
    RestingRound,
    Unsaid,
    lists_in,
    nothing,
    runs,
)
from protocol.board.study import Studies
from protocol.encoding import decode
from protocol.errors import BadEntry, BadSignature, BadTerms, Fork, Malformed
from protocol.key import Epoch
from protocol.messages import (
    MAX_POST_BYTES,
    Body,
    CardSeen,
    attachments_of,
    belongs,
    chunks_of,
    read_session,
)
from protocol.signing import verify
from protocol.terms import AddressCard, Terms, check_card

Speaker = tuple[str, int]
T = TypeVar("T")


class Board:
    """What one party has seen of the board; every entry is verified before it counts."""

    def __init__(self, terms: Terms, lean: Callable[[Posted], Posted] | None = None) -> None:
        """lean: makes of a verified entry what is kept of it; all of it, unless given."""
        self.terms, self._lean = terms, lean
        self._federation = terms.federation
        self._hashes = [genesis(self._federation)]
        self._counts: dict[tuple[str, int], int] = {}
        self._last_seen: dict[Speaker, int] = {}
        self._sessions: dict[str, list[Posted]] = {}
        self._ceremonies: dict[int, list[Posted]] = {}
        self._last: dict[Speaker, Posted] = {}
        self.studies = Studies(terms)  # proposed by entries that count, and what is said of them
        self.key = KeyHistory(terms)
        self._budget = Budget(terms, self.studies, self.key)
        self.entries = PostedEntries()
        self._resting: dict[str, RestingRound] = {}
        self.woken = 0  # rounds that are held again since others were let rest
        self._unsaid: dict[int, Unsaid] = {}
        self._read: Read = nothing
        self._beside: dict[Callable[[Any], Any], Any] = {}

    def beside(self, make: Callable[["Board"], T]) -> T:
        """What follows from this board, made at the first call, and shared by all who ask."""
        if make not in self._beside:
            self._beside[make] = make(self)
        found: T = self._beside[make]
        return found

    @property
    def epoch(self) -> Epoch | None:
        """The key that all members have now, None before there is one."""
        return self.key.newest

    @property
    def upload_bytes(self) -> int:
        """What one honest post may need beside the board, at most."""
        return self._budget.upload_bytes

    def excess(self, post: Post, time_ms: int) -> str:
        """Why a post would be beyond its sender's budget at that time, empty if it is not."""
        self._wake(post.session)
        return self._budget.excess(post.session, post.sender, post.body, time_ms)

    def bar(self, session: str, sender: int, body: Body) -> str:
        """Why the key bars this in a round now, empty if it does not: a lock, or a part of a sum.

        What a handover bars is let through if that is given up.
        """
        self._wake(session)
        return self._budget.bar(session, sender, body)

    def chunk_excess(self, post: Post, size_of: Callable[[bytes], int | None]) -> str:
        """Why a post would be beyond its sender's budget for the chunks that it names.

        size_of: the bytes of a blob of that name, None if it is not here.
        """
        sizes = [size for name in chunks_of(post.body) if (size := size_of(name)) is not None]
        self._wake(post.session)
        return self._budget.chunk_excess(post.session, sizes)

    @property
    def head(self) -> Head:
        """The last entry."""
        return Head(len(self.entries), self._hashes[-1])

    def hash_at(self, position: int) -> bytes | None:
        """The hash of the entry at a position, None beyond the head; 0 is the empty board."""
        if not 0 <= position <= len(self.entries):
            return None
        if (held := position - self.entries.before) >= 0:
            return self._hashes[held]
        return self.entries[position - 1].hash if position else genesis(self._federation)

    def key_of(self, session: str, sender: int) -> bytes:
        """The signing key of a sender, a guest of that session's included.

        Raises BadTerms for no one.
        """
        handover = self.key.handovers.in_session(session)
        guest = handover.guests.get(sender) if handover else None
        return guest or self.terms.key_of(sender)

    def name_of(self, session: str, sender: int) -> str:
        """A sender's name, for people; of a guest of that session the one in its new terms."""
        handover = self.key.handovers.in_session(session)
        guest = handover.about.names.get(sender) if handover else None
        return guest or self.terms.name_of(sender)

    def is_by(self, posted: Posted, sender: int, key: bytes) -> bool:
        """Whether an entry is a sender's that has this signing key.

        In another handover the same number may be another guest's.
        """
        post = posted.post
        return post.sender == sender and self.key_of(post.session, sender) == key

    def _speaker(self, session: str, sender: int) -> Speaker:
        """A guest of another session is another one, whatever its number."""
        return (session if sender > self.terms.n_members else ""), sender

    def count(self, session: str, sender: int) -> int:
        """How many posts a sender has made in a session: its next sequence number."""
        self._wake(session)
        return self._counts.get((session, sender), 0)

    def open(self, signed: SignedPost) -> Post:
        """The post inside; raises BadEntry, naming the sender, unless it may come next."""
        return self._opened(signed, False)

    def _opened(self, signed: SignedPost, is_known: bool) -> Post:
        position = len(self.entries) + 1
        try:
            post = decode(signed.post, Post, "post", MAX_POST_BYTES)
        except Malformed as error:
            raise BadEntry(position, 0, error.reason) from None
        if post.federation != self._federation:
            raise BadEntry(position, post.sender, "it belongs to another federation")
        try:
            key = self.key_of(post.session, post.sender)
            if not is_known:
                verify(key, signed.signature, post.sender, POST_SIGNATURE, signed.post)
        except BadTerms:
            raise BadEntry(position, post.sender, "its sender is not a member") from None
        except BadSignature:
            raise BadEntry(position, post.sender, "its signature does not fit") from None
        self._check(post, position, attachments_fit(post.body))
        return post

    def _check(self, post: Post, position: int, fits: bool) -> None:
        """Whether a member may say this next; ``fits``: its attachments do, each by itself."""
        if not belongs(post.session, post.sender, post.body):
            raise BadEntry(position, post.sender, "its sender may not say this here")
        if not (fits and self._is_addressed(post)):
            raise BadEntry(position, post.sender, "an attachment does not fit its description")
        if isinstance(post.body, CardSeen) and not _is_card_of(post.body.card, self.terms):
            raise BadEntry(position, post.sender, "its card is not one of the aggregator's")
        self._check_order(post, position)

    def _is_addressed(self, post: Post) -> bool:
        """Whether there is one attachment for a recipient, for those who are due."""
        recipients = [a.to for a in attachments_of(post.body)]
        state = self.studies.get(read_session(post.session).study)
        readers = state.study.members if state else ()
        to = set(recipients)
        is_once = len(to) == len(recipients)
        return is_once and addresses(post.body, to, self.terms.n_members, readers)

    def _check_order(self, post: Post, position: int) -> None:
        expected = self.count(post.session, post.sender)
        if post.sequence != expected:
            raise BadEntry(
                position,
                post.sender,
                f"number {post.sequence} of its sender in {post.session}, due is {expected}",
            )
        if self.hash_at(post.seen_position) != post.seen:
            raise Fork(post.seen_position, f"sender {post.sender} saw another entry there")
        if post.seen_position < self._last_seen.get(self._speaker(post.session, post.sender), 0):
            raise BadEntry(position, post.sender, "it saw less than its sender's last post")

    def extend(self, signed: SignedPost, time_ms: int) -> Entry:
        """The entry that would put a post on the board; raises as ``open`` does."""
        self.open(signed)
        return Entry(len(self.entries) + 1, self._hashes[-1], time_ms, signed)

    def append(self, entry: Entry) -> Posted:
        """Verify and keep the next entry. Raises Fork or BadEntry, and keeps nothing then.

        What is beyond its sender's budget has its place on the board, and a Surplus for its body.
        """
        posted = self._verified(entry, False)
        self._keep(posted)
        return posted

    def restore(self, entry: Entry) -> Posted:
        """As ``append``, of an entry whose signature the caller has verified before."""
        posted = self._verified(entry, True)
        self._keep(posted)
        return posted

    def take(self, entry: OpenedEntry) -> Posted:
        """As ``append``, of an entry that the caller has opened, and verified as far as that is."""
        self._check_place(entry.position, entry.previous)
        post = entry.post
        if post.federation != self._federation:
            raise BadEntry(entry.position, post.sender, "it belongs to another federation")
        self._check(post, entry.position, True)
        found = Posted(entry.position, entry.hash, entry.time_ms, post, entry.digest)
        posted = self._as_it_counts(found)
        self._keep(posted)
        return posted

    def _verified(self, entry: Entry, is_known: bool) -> Posted:
        """The next entry, opened, as it counts; raises as ``append``, and nothing is kept."""
        self._check_place(entry.position, entry.previous)
        post = self._opened(entry.post, is_known)
        found = Posted(entry.position, entry.hash, entry.time_ms, post, entry.post.digest)
        return self._as_it_counts(found)

    def _check_place(self, position: int, previous: bytes) -> None:
        """Raises Fork unless an entry is the next one."""
        if position != len(self.entries) + 1:
            raise Fork(position, f"the next entry is number {len(self.entries) + 1}")
        if previous != self._hashes[-1]:
            raise Fork(position, "it does not follow the entries seen before")

    def _as_it_counts(self, posted: Posted) -> Posted:
        """What is beyond its sender's budget says nothing."""
        if reason := self.excess(posted.post, posted.time_ms):
            return posted._replace(post=replace(posted.post, body=Surplus(reason)))
        return posted

    def _keep(self, whole: Posted) -> None:
        """Count an entry that was verified."""
        posted = self._lean(whole) if self._lean else whole
        self._wake(posted.post.session)
        self.entries.append(posted)
        self._hashes.append(posted.hash)
        self._count(posted)

    def _count(self, posted: Posted) -> None:
        position, post, time_ms = posted.position, posted.post, posted.time_ms
        sender, session, body = post.sender, post.session, post.body
        self._counts[session, sender] = post.sequence + 1
        speaker = self._speaker(session, sender)
        self._last_seen[speaker] = post.seen_position
        self._last[speaker] = posted
        if isinstance(body, Surplus):
            self._unsaid[position] = Unsaid(position, session, body.reason)
            return
        self._budget.take(position, session, sender, body, time_ms)
        self.key.take(position, time_ms, session, sender, body)
        named = read_session(session)
        posts = self._sessions.setdefault(session, [])
        posts.append(posted)
        if named.kind == "ceremony":
            self._ceremonies[named.number] = posts
        if named.kind == "study":
            self.studies.take(named.study, position, time_ms, sender, body)

    def session(self, name: str) -> list[Posted]:
        """The entries of one session that count, in order."""
        self._wake(name)
        return list(self._sessions.get(name, ()))

    @property
    def ceremonies(self) -> dict[int, list[Posted]]:
        """The entries of each ceremony that count, by its number."""
        return {number: list(posts) for number, posts in self._ceremonies.items()}

    def last_of(self, sender: int, session: str = "") -> Posted | None:
        """The last entry of a sender; of a guest in its session."""
        return self._last.get(self._speaker(session, sender))

    @property
    def last_words(self) -> Collection[Posted]:
        """The last entry of each sender; of a guest in each handover."""
        return self._last.values()

    def opened(self, study: str) -> int:
        """How many of a study's rounds were opened, one after the other from the first on.

        There are more if the aggregator has opened a later one before them.
        """
        return self._budget.opened(study)

    # ── rounds at rest ──

    def rest(self, before: int, read: Callable[[int, int], Iterable[Entry]]) -> None:
        """Hold no round in which nothing was said after that position, and no entry up to it.

        read: gives entries that are on this board, from one position to another, whenever they are
        asked for. What it raises, is raised by whatever asks.
        """
        self._read = partial(self._posted, read)
        self._hashes = self._hashes[max(0, before - self.entries.before) :]
        self.entries.let_go(before, self._read)
        self.woken = 0
        unsaid = defaultdict[str, list[int]](list)
        for one in self._unsaid.values():
            unsaid[one.session].append(one.position)
        for session, posts in list(self._sessions.items()):
            positions = [posted.position for posted in posts] + unsaid.get(session, [])
            if max(positions) <= before and read_session(session).kind == "round":
                self._resting[session] = RestingRound.at(session, positions, lists_in(posts))
                self._let_rest(session)

    def _let_rest(self, session: str) -> None:
        self._budget.forget(session)
        del self._sessions[session]
        for sender in range(self.terms.n_members + 1):
            self._counts.pop((session, sender), None)

    def _wake(self, session: str) -> None:
        """Hold a round again, if it is at rest."""
        if (found := self._resting.get(session)) is None:
            return
        posts = list(found.read(self._read))
        self.woken += 1
        del self._resting[session]
        said = self._sessions[session] = []
        for posted in posts:
            post = posted.post
            self._counts[session, post.sender] = post.sequence + 1
            if not isinstance(post.body, Surplus):
                said.append(posted)
                self._budget.remember(posted.position, session, post.sender, post.body)

    def is_at_rest(self, session: str) -> bool:
        """Whether it is a round that is not held."""
        return session in self._resting

    @property
    def awake(self) -> Iterator[Posted]:
        """The entries that count of all sessions that are not at rest, session by session."""
        for posts in self._sessions.values():
            yield from posts

    def lists(self, study: str) -> list[Listed]:
        """Where members have listed the entries of their models in a study's rounds, in order.

        No round is woken for that.
        """

        def is_of(session: str) -> bool:
            named = read_session(session)
            return named.kind == "round" and named.study == study

        resting = (one.lists for one in self._resting.values() if is_of(one.session))
        held = (lists_in(posts) for session, posts in self._sessions.items() if is_of(session))
        return sorted(chain(*resting, *held), key=lambda one: one.position)

    def elsewhere(self, wants: Callable[[str], bool]) -> list[int]:
        """Positions of what is not held and may stand in sessions that are wanted, in order."""
        found = {p.position for s, posts in self._sessions.items() if wants(s) for p in posts}
        for one in self._resting.values():
            if wants(one.session):
                found.update(k for first, last in one.stretches for k in range(first, last + 1))
        return sorted(position for position in found if position <= self.entries.before)

    def _posted(
        self, read: Callable[[int, int], Iterable[Entry]], first: int, last: int
    ) -> Iterator[Posted]:
        """Entries of this board, as they count."""
        for entry in read(first, last):
            post = decode(entry.post.post, Post, "post", MAX_POST_BYTES)
            if unsaid := self._unsaid.get(entry.position):
                post = replace(post, body=Surplus(unsaid.reason))
            yield Posted(entry.position, entry.hash, entry.time_ms, post, entry.post.digest)

    @property
    def state(self) -> BoardState:
        """What another board goes on from (``resume``)."""
        awake = [p.position for posts in self._sessions.values() for p in posts]
        awake += [one.position for one in self._unsaid.values() if one.session not in self._resting]
        last = [LastWord(*who, posted.position) for who, posted in sorted(self._last.items())]
        return BoardState(
            *self.head,
            tuple(sorted(self._resting.values(), key=lambda one: one.stretches)),
            tuple(sorted(awake)),
            tuple(last),
            tuple(self._unsaid.values()),
            self._budget.state,
        )

    @classmethod
    def resume(
        cls,
        terms: Terms,
        state: BoardState,
        read: Callable[[int, int], Iterable[Entry]],
        lean: Callable[[Posted], Posted] | None = None,
    ) -> Self:
        """A board that is as one that has read all entries up to a state of it.

        The caller has verified them; read: as for ``rest``. Raises Malformed, and what it raises.
        """
        board = cls(terms, lean)
        board._read = partial(board._posted, read)
        board._unsaid = {one.position: one for one in state.unsaid}
        for first, last in runs(state.awake):
            for posted in board._read(first, last):
                board._count(posted)
        board._resting = {one.session: one for one in state.resting}
        board._budget.resume(state.budget)
        board.entries.let_go(state.position, board._read)
        board._hashes = [state.head]
        for one in state.last:
            posted = board.entries[one.position - 1]
            board._last[one.session, one.sender] = posted
            board._last_seen[one.session, one.sender] = posted.post.seen_position
        return board


def _is_card_of(card: AddressCard, terms: Terms) -> bool:
    """Whether the aggregator of the terms has signed a card that can be used."""
    try:
        check_card(card)
    except BadTerms:
        return False
    return card.key == terms.aggregator_key
