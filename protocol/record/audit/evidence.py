"""The record as the checks read it: each part once, when it is first asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain as one_after_the_other
from itertools import repeat
from typing import NamedTuple

from protocol.board import Board, Entry, Head, OpenedEntry, Post, Posted, Surplus, of_kind
from protocol.encoding import decode
from protocol.errors import BadEntry, BadTerms, Fork, Malformed
from protocol.key import Epoch
from protocol.messages import MAX_POST_BYTES, Opening, attachments_of, read_session
from protocol.record import (
    MANIFEST_PATH,
    MAX_MANIFEST_BYTES,
    TERMS_PATH,
    Manifest,
    RecordFiles,
    Verified,
    aborted_ceremonies,
    is_recorded,
    read_manifest,
)
from protocol.record.audit.observed import (
    MANY,
    Chain,
    HandoverEvidence,
    Lean,
    Observation,
    RecordedPayloads,
    RoundEvidence,
    Spread,
    Verdicts,
    judged,
    observe,
    opened,
    unverified,
)
from protocol.rounds import Difference, OpenedSets
from protocol.terms import AGGREGATOR, Terms, parse

MAX_TERMS_BYTES = 1 << 20
_AT_ONCE = 2_048  # entries, after which the board lets rounds rest in which nothing is said
Differences = Mapping[tuple[int, str], Difference | None]  # by entry, and the round's session


@dataclass(frozen=True)
class Replay:
    """The board with all entries up to the first that breaks a rule, and that error.

    It is Malformed where a file was taken away or changed after the chain was read: nobody's fault.
    entries: all of them, where the board holds those of its last rounds.
    """

    board: Board
    entries: Sequence[Posted]
    error: BadEntry | Fork | Malformed | None
    speaker: str  # the name of who said what breaks it; empty where nobody did


class Before(NamedTuple):
    """The record of the federation that another one succeeds, and its checks that failed."""

    evidence: "Evidence"
    failed: tuple[str, ...]


class Evidence:
    """A record, and what its reader brings along.

    expected: at least 16 first bytes of the federation's identity, from another source; since: a
    head that was verified before; nonce: 32 fresh random bytes, for checks by random weights;
    spread: what has entries and rounds looked at elsewhere, if anything does; before: the record
    of the federation that this one succeeds, once it is audited; verified: what was verified by the
    same checks before, and is not looked at again where it is here as it was.
    """

    def __init__(
        self,
        files: RecordFiles,
        expected: bytes | None,
        since: Head | None,
        nonce: bytes,
        spread: Spread | None = None,
        verified: Verified | None = None,
    ) -> None:
        self.files, self.expected, self.since, self.nonce = files, expected, since, nonce
        self.spread, self.verified = spread, verified
        self.before: Before | None = None

    @cached_property
    def manifest(self) -> Manifest:
        """``record.json``; raises Malformed."""
        return read_manifest(self.required(MANIFEST_PATH, MAX_MANIFEST_BYTES))

    @cached_property
    def signed_terms(self) -> tuple[Terms, dict[str, bytes]]:
        """``federation.toml``: terms, signatures by name; raises Malformed, BadTerms."""
        data = self.required(TERMS_PATH, MAX_TERMS_BYTES)
        try:
            found = parse(data.decode())
        except UnicodeDecodeError:
            raise BadTerms("file", "it is not UTF-8 text") from None
        return found.terms, found.signatures

    @property
    def terms(self) -> Terms:
        """The terms."""
        return self.signed_terms[0]

    @property
    def predecessor(self) -> bytes | None:
        """The federation that the terms succeed; None if they succeed none, or do not read."""
        try:
            found = self.terms.predecessor
        except (BadTerms, Malformed):
            return None
        return found.federation if found else None

    def name(self, sender: int) -> str:
        """A sender's name."""
        return self.terms.name_of(sender)

    def speaker(self, post: Post) -> str:
        """The name of a post's sender, which may be a guest in a handover."""
        return self.replay.board.name_of(post.session, post.sender)

    def as_said(self, posted: Posted) -> Post:
        """The post as it was signed, though it was beyond its sender's budget."""
        if not isinstance(posted.post.body, Surplus):
            return posted.post
        return decode(self.chain.entry(posted.hash).post.post, Post, "post", MAX_POST_BYTES)

    def required(self, path: str, limit: int) -> bytes:
        """A file's bytes; raises Malformed if it is not there or longer."""
        data = self.files.read(path, limit)
        if data is None:
            raise Malformed(path, "it is missing")
        return data

    @cached_property
    def chain(self) -> Chain:
        """The entries from the manifest's head back to the first."""
        head = self.manifest.head
        if self.spread is not None and head.position > MANY:
            self.spread.begin()
        return Chain.read(self.files, head)

    @cached_property
    def named(self) -> set[bytes]:
        """The blobs that belong into the record; of entries that break a rule, too."""
        said = [self.as_said(posted) for posted in self.entries]
        beyond = self.chain.hashes[len(said) :]
        said += filter(None, map(self._unverified, beyond))
        aborted = aborted_ceremonies(said, self.terms.n_members)
        return {
            one.digest
            for post in said
            for one in attachments_of(post.body)
            if is_recorded(one, post.session in aborted)
        }

    @cached_property
    def known(self) -> int:
        """How many entries were verified before, and are those of this chain."""
        if self.verified is None or self.chain.broken:
            return 0
        position, expected = self.verified.head
        is_here = self.chain.hashes[position - 1 : position] == [expected]
        return position if is_here else 0

    @cached_property
    def replay(self) -> Replay:
        """Every entry put on a board of its own, which refuses what breaks a rule."""
        hashes, entries = self.chain.hashes, list[Posted]()
        board = Board(self.terms, Lean(self.terms.federation, hashes))
        for expected, found in zip(hashes, self._opened(), strict=False):
            try:
                self._put(board, expected, found)
            except (BadEntry, Fork) as error:
                post = found.post if found else self._unverified(expected)
                speaker = (
                    board.name_of(post.session, post.sender) if post else self.name(AGGREGATOR)
                )
                return Replay(board, entries, error, speaker)
            except Malformed as error:  # of this entry, or of one of a round at rest
                return Replay(board, entries, error, "")
            entries.append(board.entries[-1])  # lean
            if len(entries) % _AT_ONCE == 0:
                board.rest(len(entries) - _AT_ONCE, self._entries)
        return Replay(board, entries, None, "")

    def _put(self, board: Board, expected: bytes, found: OpenedEntry | None) -> None:
        """The chain's next entry on the board; raises as ``append`` does, or Malformed."""
        if found is not None:
            board.take(found)
        else:
            is_known = len(board.entries) < self.known
            (board.restore if is_known else board.append)(self.chain.entry(expected))

    def _unverified(self, expected: bytes) -> Post | None:
        """The post in an entry of the chain, at its word; None if it does not read."""
        try:
            return unverified(self.chain.entry(expected))
        except Malformed:
            return None

    def _entries(self, first: int, last: int) -> Iterator[Entry]:
        """Entries of the record once more, from one position to another."""
        return map(self.chain.entry, self.chain.hashes[first - 1 : last])

    def _opened(self) -> Iterator[OpenedEntry | None]:
        """What was made of each entry elsewhere; None of one that is read and verified here."""
        here = repeat(None, self.known)
        if self.spread is None:
            return one_after_the_other(here, repeat(None))
        keys = [self.terms.key_of(sender) for sender in range(self.terms.n_members + 1)]
        new = self.chain.hashes[self.known :]
        return one_after_the_other(here, opened(self.spread, self.files, new, keys))

    @property
    def entries(self) -> Sequence[Posted]:
        """The verified entries."""
        return self.replay.entries

    @cached_property
    def sessions(self) -> Mapping[str, Sequence[Posted]]:
        """The verified entries by session, in order."""
        found = dict[str, list[Posted]]()
        for posted in self.entries:
            found.setdefault(posted.post.session, []).append(posted)
        return found

    @cached_property
    def aborted(self) -> set[str]:
        """The ceremonies that were aborted."""
        return aborted_ceremonies([p.post for p in self.entries], self.terms.n_members)

    @cached_property
    def ceremonies(self) -> Sequence[Observation]:
        """All ceremonies, in their order, as an observer sees them."""
        return [
            observe(self.terms, session, entries, self.public_payloads, self.nonce)
            for session, entries in self.sessions.items()
            if read_session(session).kind == "ceremony"
        ]

    @cached_property
    def handovers(self) -> Sequence[HandoverEvidence]:
        """All attempts to hand the key over, in their order."""
        board = self.replay.board
        return [HandoverEvidence(handover, board) for handover in board.key.handovers.all]

    def epochs(self, position: int) -> Sequence[Epoch]:
        """The epochs that were the key's before an entry, in their order.

        The first was made in a ceremony, or taken over, and handed over to those that follow.
        """
        known = self.replay.board.key.epochs
        return [epoch for at, epoch in known if at < position]

    @cached_property
    def rounds(self) -> Sequence[RoundEvidence]:
        """The rounds of all studies, in the order in which their sessions began."""
        studies, found = self.replay.board.studies, list[RoundEvidence]()
        for session, entries in self.sessions.items():
            named = read_session(session)
            if named.kind == "round" and named.study in studies:
                state, epoch = studies[named.study], self._epoch_of(entries)
                found.append(RoundEvidence(state, epoch, entries, self.payload))
        self._judge(found)
        return found

    def _judge(self, rounds: Sequence[RoundEvidence]) -> None:
        """Begin to have rounds judged; what was sound before is now."""
        new = list[RoundEvidence]()
        for one in rounds:
            if one.entries[-1].position <= self.known and one.session not in self._doubtful:
                one.take(one.to_judge.as_due())
            else:
                new.append(one)
        Verdicts.of(new, judged(self.spread, self.payload, [one.to_judge for one in new]))

    def begin_judging(self) -> None:
        """Have rounds judged elsewhere, if anything does that, while something is done here."""
        if self.spread is not None:
            assert self.rounds is not None

    @cached_property
    def _doubtful(self) -> set[str]:
        """The rounds in which something was wrong before."""
        return set(self.verified.doubtful if self.verified else ())

    @property
    def doubtful(self) -> tuple[str, ...]:
        """The rounds whose payloads tell that something is wrong."""
        return tuple(r.session for r in self.rounds if not r.is_sound)

    def no_sums(self) -> OpenedSets:
        """The sums that may be open, as no entry has told them yet."""
        board = self.replay.board
        return OpenedSets(self.terms, board.studies, board.key)

    @cached_property
    def sums(self) -> OpenedSets:
        """The sums that may be open, as all entries tell."""
        found = self.no_sums()
        for posted in self.entries:
            found.receive(posted)
        return found

    def differences(self, asked: Iterable[tuple[int, RoundEvidence]]) -> Differences:
        """What each round's sum shows of too few, beside those that may be open by an entry.

        The board is read once, however many are asked.
        """
        found, sums, read = dict[tuple[int, str], Difference | None](), self.no_sums(), 0
        for position, one in sorted(asked, key=lambda question: question[0]):
            for posted in self.entries[read:position]:
                sums.receive(posted)
            read = position
            found[position, one.session] = sums.difference(one.view)
        return found

    @cached_property
    def orphans(self) -> Sequence[Posted]:
        """What the aggregator said in rounds of studies that nobody has proposed."""
        studies = self.replay.board.studies
        named = ((read_session(p.post.session), p) for p in self.entries)
        return [
            p
            for n, p in named
            if n.kind == "round" and n.study not in studies and p.post.sender == AGGREGATOR
        ]

    def _epoch_of(self, entries: Sequence[Posted]) -> Epoch | None:
        """The key that a round was opened under, if it was the newest one then."""
        opening = next(of_kind(entries, Opening), None)
        if opening is None:
            return None
        known = self.epochs(opening.position)
        return known[-1] if known and known[-1].digest == opening.post.body.epoch else None

    @cached_property
    def payload(self) -> RecordedPayloads:
        """Reads an attachment; raises Malformed if its blob is not in the record as named."""
        return RecordedPayloads(self.files)

    def payloads(self, posted: Posted) -> dict[int, bytes]:
        """All payloads of an entry of an aborted ceremony, by recipient; raises Malformed."""
        return {a.to: self.payload(a) for a in posted.attachments}

    def public_payloads(self, posted: Posted) -> dict[int, bytes]:
        """An entry's payload for all, under 0; raises Malformed."""
        return {a.to: self.payload(a) for a in posted.attachments if not a.to}
