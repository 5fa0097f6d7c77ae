"""The record as the checks read it: each part once, when it is first asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from typing import NamedTuple

from protocol.board import Board, Head, OpenedEntry, Post, Posted, Surplus, of_kind, runs
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
    NOTHING_BEFORE,
    Chain,
    HandoverEvidence,
    KnownBefore,
    Lean,
    Observation,
    OpenSums,
    RecordedPayloads,
    RoundEvidence,
    Spread,
    Verdicts,
    judged,
    observe,
    opened,
    places_of,
    unverified,
)
from protocol.rounds import OpenedSets
from protocol.terms import AGGREGATOR, Terms, parse

MAX_TERMS_BYTES = 1 << 20
_AT_ONCE = 2_048  # entries, after which the board lets rounds rest in which nothing is said


@dataclass(frozen=True)
class Replay:
    """The board with all entries up to the first that breaks a rule, and that error.

    It is Malformed where a file was taken away or changed after the chain was read: nobody's fault.
    entries: all of them, where the board holds those of its last rounds; see ``Evidence.entries``.
    """

    board: Board
    entries: Sequence[Posted]
    error: BadEntry | Fork | Malformed | None
    speaker: str  # the name of who said what breaks it; empty where nobody did
    before: KnownBefore = NOTHING_BEFORE


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
    same checks before, and is not looked at again where it is here as it was: rounds in which
    nothing was said since.
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
        known = self.verified.head.position if self.verified else 0
        if self.spread is not None and head.position - known > MANY:
            self.spread.begin()
        return Chain.read(self.files, head, self.verified)

    @cached_property
    def named(self) -> set[bytes]:
        """The blobs that belong into the record; of entries that break a rule, too."""
        said = [self.as_said(posted) for posted in self.entries]
        beyond = self.chain.hashes[len(self.replay.board.entries) - self.known :]
        said += filter(None, map(self._unverified, beyond))
        aborted = aborted_ceremonies(said, self.terms.n_members)
        return {
            one.digest
            for post in said
            for one in attachments_of(post.body)
            if is_recorded(one, post.session in aborted)
        }

    @property
    def known(self) -> int:
        """How many entries were verified before, and are those of this chain."""
        return self.chain.before

    @property
    def known_ms(self) -> int:
        """The time of the last of them."""
        return self.verified.time_ms if self.verified and self.known else 0

    @cached_property
    def replay(self) -> Replay:
        """Every entry put on a board of its own, which refuses what breaks a rule."""
        new = list[Posted]()
        board = self._begun()
        for expected, found in zip(self.chain.hashes, self._opened(), strict=False):
            try:
                if found is not None:
                    board.take(found)
                else:
                    board.append(self.chain.entry(expected))
            except (BadEntry, Fork) as error:
                post = found.post if found else self._unverified(expected)
                speaker = (
                    board.name_of(post.session, post.sender) if post else self.name(AGGREGATOR)
                )
                return Replay(board, new, error, speaker)
            except Malformed as error:  # of this entry, or of one of a round at rest
                return Replay(board, new, error, "")
            new.append(board.entries[-1])  # lean
            if len(board.entries) % _AT_ONCE == 0:
                board.rest(len(board.entries) - _AT_ONCE, self.chain.entries)
        if self.verified is None or not self.known:
            return Replay(board, new, None, "")
        return self._with_old(self.verified, board, new)

    def _begun(self) -> Board:
        """A board without entries, or as it stood when it was verified before."""
        lean = Lean(self.terms.federation, self.chain.hashes, self.known)
        if self.verified is None or not self.known:
            return Board(self.terms, lean)
        return Board.resume(self.terms, self.verified.board, self.chain.entries, lean)

    def _with_old(self, verified: Verified, board: Board, new: Sequence[Posted]) -> Replay:
        """The same with the entries of before in sessions that are no rounds, or go on."""

        def read(first: int, last: int) -> Sequence[Posted]:
            return board.entries[first - 1 : last]

        state, said = verified.board, {posted.post.session for posted in new}
        awake = [posted for run in runs(state.awake) for posted in read(*run)]
        woken = {one.session: list(one.read(read)) for one in state.resting if one.session in said}
        kinds = {p.post.session: read_session(p.post.session).kind for p in awake}
        whole = [p for p in awake if kinds[p.post.session] != "round" or p.post.session in said]
        old = chain.from_iterable([whole, *woken.values()])
        held = [posted for posted in awake if read_session(posted.post.session).is_round]
        before = KnownBefore(state.position, verified.past, held, woken)
        entries = sorted([*old, *new], key=lambda posted: posted.position)
        return Replay(board, entries, None, "", before)

    def _unverified(self, expected: bytes) -> Post | None:
        """The post in an entry of the chain, at its word; None if it does not read."""
        try:
            return unverified(self.chain.entry(expected))
        except Malformed:
            return None

    def _opened(self) -> Iterator[OpenedEntry | None]:
        """What was made of each entry elsewhere; None of one that is read and verified here."""
        if self.spread is None:
            return repeat(None)
        keys = [self.terms.key_of(sender) for sender in range(self.terms.n_members + 1)]
        return opened(self.spread, self.files, self.chain.hashes, keys)

    @property
    def entries(self) -> Sequence[Posted]:
        """The verified entries.

        Where some were verified before, all of the sessions that are no rounds, and of the rounds
        in which something was said since.
        """
        return self.replay.entries

    @cached_property
    def sessions(self) -> Mapping[str, Sequence[Posted]]:
        """The verified entries by session, in order."""
        found = dict[str, list[Posted]]()
        for posted in self.entries:
            found.setdefault(posted.post.session, []).append(posted)
        return found

    def session(self, name: str) -> Sequence[Posted]:
        """The verified entries of a session; also of one in which nothing was said since."""
        if name in self.sessions or not self.known:
            return self.sessions.get(name, ())
        return self.replay.board.session(name)

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
        """The rounds of all studies, in the order in which their sessions began.

        They begin to be judged, elsewhere if anything does that.
        """
        studies, found = self.replay.board.studies, list[RoundEvidence]()
        for session, entries in self.sessions.items():
            named = read_session(session)
            if named.kind == "round" and named.study in studies:
                state, epoch = studies[named.study], self._epoch_of(entries)
                found.append(RoundEvidence(state, epoch, entries, self.payload))
        Verdicts.of(found, judged(self.spread, self.payload, [one.to_judge for one in found]))
        return found

    def begin_judging(self) -> None:
        """Have rounds judged elsewhere, if anything does that, while something is done here."""
        if self.spread is not None:
            _ = self.rounds

    @cached_property
    def open_sums(self) -> OpenSums:
        """The sums that may be open, as the entries tell that were not verified before."""
        new = [posted for posted in self.entries if posted.position > self.known]
        return OpenSums(self.replay.board, self.replay.before, new)

    @cached_property
    def sums(self) -> OpenedSets:
        """Those that may be open, as all entries tell."""
        return self.open_sums.all()

    def verified_by(self, rules: bytes) -> Verified:
        """What a later audit by the same rules goes on from, where no check failed."""
        board = self.replay.board
        board.rest(max(0, len(board.entries) - _AT_ONCE), self.chain.entries)
        state, old = board.state, dict(self.chain.places)
        places = [(at, old.get(at) or self._hash_at(at)) for at in places_of(state)]
        is_new = self.chain.hashes and self.entries
        time_ms = self.entries[-1].time_ms if is_new else self.known_ms
        past = tuple(self.open_sums.past())
        return Verified(self.terms.federation, rules, state, time_ms, tuple(places), past)

    def _hash_at(self, position: int) -> bytes:
        """Of an entry, whichever it is."""
        if position > self.known:
            return self.chain.hashes[position - 1 - self.known]
        (entry,) = self.chain.entries(position, position)
        return entry.hash

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
