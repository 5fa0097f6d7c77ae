"""What became of each attempt, counted from the entries alone, and what else was said meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from aggregator.server.service import Aggregator
from protocol.board.board import Board
from protocol.board.budget import Surplus
from protocol.board.post import Post, Posted, SignedPost, decode_entry
from protocol.encoding import decode
from protocol.handover import HandoverWord, word_of
from protocol.messages import HandoverProposal, Said
from protocol.messages.fields import MAX_POST_BYTES
from protocol.messages.rounds import Opening
from protocol.messages.session import read_session
from protocol.terms.terms import Terms


@dataclass
class Passed:
    """One attempt; each ``_at`` is the entry by which it was so, None where it never was."""

    number: int
    proposed_at: int
    new: frozenset[int]  # who takes over, by the numbers on this board
    heir: bytes  # the new terms' identity, or the old ones'
    consents: int  # so many old members have to agree
    epoch: int  # which is handed over
    said: dict[tuple[HandoverWord, int], int] = field(default_factory=dict)  # at which entry
    frozen_at: int | None = None
    held_at: int | None = None
    void_at: int | None = None
    released_at: int | None = None
    thawed_at: int | None = None

    def who(self, *words: HandoverWord) -> set[int]:
        """Who has said one of these, so that it counts."""
        return {member for word, member in self.said if word in words}

    def own_freeze(self, member: int) -> int | None:
        """The entry with which a member froze."""
        found = self.said.get((HandoverWord.FREEZE, member))
        return found or self.said.get((HandoverWord.FREEZE_ONLY, member))

    @property
    def is_settled(self) -> bool:
        """Whether all new members have acknowledged that it was released."""
        return self.released_at is not None and self.who(HandoverWord.ACKNOWLEDGE) >= self.new

    def take(self, terms: Terms, posted: Posted, word: HandoverWord) -> None:
        """The next word; one that is said too early or too late has no effect."""
        at, sender = posted.position, posted.post.sender
        late = {HandoverWord.RELEASE: self.held_at, HandoverWord.THAW: self.void_at}
        is_open = not (self.held_at or self.void_at)
        if word in late and late[word] is None:
            return
        if word in (HandoverWord.SHOW, HandoverWord.VOID) and not is_open:
            return
        self.said.setdefault((word, sender), at)
        enough = terms.lock_threshold
        frozen = self.who(HandoverWord.FREEZE, HandoverWord.FREEZE_ONLY)
        if len(frozen) >= enough and self.frozen_at is None:
            self.frozen_at = at
        if is_open and self.who(HandoverWord.SHOW) >= self.new:
            self.held_at = at
        elif is_open and len(self.who(HandoverWord.VOID)) >= enough:
            self.void_at = at
        if len(self.who(HandoverWord.RELEASE)) >= enough and self.released_at is None:
            self.released_at = at
        if len(self.who(HandoverWord.THAW)) >= enough and self.thawed_at is None:
            self.thawed_at = at


def attempts_of(board: Board) -> list[Passed]:
    """All handovers of a board, in their order."""
    found = list[Passed]()
    for posted in board.entries:
        body = posted.post.body
        if isinstance(body, HandoverProposal):
            found.append(_proposed(board, len(found) + 1, posted.position, body))
        elif isinstance(body, Said):
            number = read_session(posted.post.session).number
            found[number - 1].take(board.terms, posted, word_of(body))
    return found


def _proposed(board: Board, number: int, position: int, body: HandoverProposal) -> Passed:
    old, epoch = board.terms, board.key.by_digest[body.epoch].number
    new = decode(body.terms, Terms, "terms", 1 << 20) if body.terms else old
    places, guests = set[int](), old.n_members
    for member in new.members:
        known = old.index_of(member.key)
        guests += known is None
        places.add(known or guests)
    is_weaker = new.quorum < old.quorum or (new != old and 2 * new.quorum <= new.n_members)
    consents = old.n_members if is_weaker else max(old.quorum, old.lock_threshold)
    return Passed(number, position, frozenset(places), new.federation, consents, epoch)


class Uttered(NamedTuple):
    """A post as its sender made it, whether or not it counts, and where it stands."""

    position: int
    post: Post
    counts: bool


def uttered_on(service: Aggregator) -> Iterator[Uttered]:
    """All of a board."""
    board, read = service.board, 0
    while read < board.head.position:
        for data in service.entries_after(read).entries:
            read += 1
            signed: SignedPost = decode_entry(data).post
            post = decode(signed.post, Post, "post", MAX_POST_BYTES)
            yield Uttered(read, post, not isinstance(board.entries[read - 1].post.body, Surplus))


def opened_at(board: Board, session: str) -> int | None:
    """The entry with which a round was opened."""
    posts = board.session(session)
    return next((p.position for p in posts if isinstance(p.post.body, Opening)), None)


def of_same_epoch(passed: list[Passed], position: int) -> list[Passed]:
    """The attempts to hand over the epoch that counted at an entry."""

    def epoch(at: int) -> int:
        return sum(one.released_at is not None and one.released_at < at for one in passed)

    return [one for one in passed if epoch(one.proposed_at) == epoch(position)]
