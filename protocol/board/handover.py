"""The key's handovers as the board has them: what was proposed, how far it is, what it bars.

An attempt begins with the proposal that counts in its session. Only one is under way at a time:
the next may be proposed once the one before is released or thawed (``protocol.handover``). What an
attempt bars is asked with the position of the opening of a round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.encoding import decode
from protocol.errors import BadTerms, Malformed, UnsignedTerms
from protocol.handover import HandoverView, HandoverWord, Succession, word_of
from protocol.key import Epoch
from protocol.messages import (
    MAX_TERMS_BYTES,
    BareWord,
    Content,
    HandoverProposal,
    PointAccusation,
    read_session,
)
from protocol.terms import Terms, require_signed


@dataclass
class Handover:
    """One attempt, from its proposal on.

    proposer, position, time_ms: of the proposal. moved_ms: when a word last counted.
    released_at, thawed_at: the entry that ended it, None before.
    """

    view: HandoverView
    proposer: int
    position: int
    time_ms: int
    moved_ms: int = field(init=False)
    released_at: int | None = None
    thawed_at: int | None = None

    def __post_init__(self) -> None:
        self.moved_ms = self.time_ms

    @property
    def about(self) -> Succession:
        """What is handed over, and to whom."""
        return self.view.about

    @property
    def is_over(self) -> bool:
        """Whether the next one may be proposed."""
        return self.released_at is not None or self.thawed_at is not None

    @property
    def is_refresh(self) -> bool:
        """Whether the same members take new shares, on this board."""
        return self.about.is_refresh

    @property
    def guests(self) -> Mapping[int, bytes]:
        """The signing keys of new members that are no old ones, by their numbers here."""
        about = self.about
        numbered = zip(about.rosters.new, about.new.members, strict=True)
        return {n: member.key for n, member in numbered if n > about.old.n_members}

    def word_excess(self, sender: int, content: Content) -> str:
        """Why no honest member says this here, empty if one may; bare words cost nobody a thing."""
        if isinstance(content, BareWord):
            return ""
        word = HandoverWord.SHOW if isinstance(content, PointAccusation) else word_of(content)
        is_due = self.view.attempt.may_say(sender, word)
        return "" if is_due else "it is another's to say, or comes before its time"

    def bars_help(self, opened_at: int) -> bool:
        """Whether nobody helps any more with a round that was opened there; so for good."""
        if self.released_at is None:
            return not self.view.attempt.may_open
        return opened_at < self.released_at or not self.is_refresh

    def take(self, position: int, time_ms: int, sender: int, content: Content) -> None:
        """Take note of what counts, at that position."""
        before = self.view.attempt
        self.view = self.view.after(sender, content)
        attempt = self.view.attempt
        if attempt != before:
            self.moved_ms = time_ms
        if attempt.is_released and not before.is_released:
            self.released_at = position
        if attempt.is_thawed and not before.is_thawed:
            self.thawed_at = position


class Handovers:
    """All attempts of a board, in their order; ``last``: the one that was proposed last."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.all: list[Handover] = []

    @property
    def last(self) -> Handover | None:
        """None before the first."""
        return self.all[-1] if self.all else None

    @property
    def under_way(self) -> Handover | None:
        """The one that is neither released nor thawed."""
        last = self.last
        return last if last and not last.is_over else None

    @property
    def successor(self) -> Terms | None:
        """The terms of the federation that has the key now; None while this one has it."""
        last = self.last
        return last.about.new if last and last.released_at and not last.is_refresh else None

    def of(self, number: int) -> Handover | None:
        """The attempt of session ``handover/number``."""
        return self.all[number - 1] if 1 <= number <= len(self.all) else None

    def in_session(self, session: str) -> Handover | None:
        """The attempt of a session, None of one that is no handover's, or was not proposed."""
        named = read_session(session)
        return self.of(named.number) if named.kind == "handover" else None

    # ── what may be proposed ──

    def proposal_excess(self, number: int, body: HandoverProposal, epoch: Epoch | None) -> str:
        """Why a proposal does not count; epoch: the one that is the key's now."""
        if self.successor is not None:
            return "the key was handed over to another federation"
        if self.under_way is not None or number != len(self.all) + 1:
            return f"handover {len(self.all) + 1} is due, once the one before it is over"
        if epoch is None or body.epoch != epoch.digest:
            return "it is about another key than the one that all have"
        try:
            self._about(body, epoch)
        except (BadTerms, Malformed) as error:
            return f"its terms: {error}"
        except UnsignedTerms:
            return "its terms are not signed by all members that they name"
        return ""

    def _about(self, body: HandoverProposal, epoch: Epoch) -> Succession:
        """What is proposed next; raises Malformed, BadTerms or UnsignedTerms."""
        session = f"handover/{len(self.all) + 1}"
        new, mistrusted = self._new_terms(body), self._mistrusted(epoch)
        return Succession(self._terms, epoch, session, new, mistrusted)

    def _new_terms(self, body: HandoverProposal) -> Terms:
        if not body.terms:
            if body.signatures:
                raise Malformed("terms", "there are signatures and no terms")
            return self._terms
        new = decode(body.terms, Terms, "terms", MAX_TERMS_BYTES)
        names = [member.name for member in new.members]
        if len(names) != len(body.signatures):
            raise Malformed("terms", "there is not one signature for each member")
        require_signed(new, dict(zip(names, body.signatures, strict=True)))
        return new

    def begin(
        self, position: int, time_ms: int, sender: int, body: HandoverProposal, epoch: Epoch
    ) -> None:
        """Take note of a proposal that counts."""
        view = HandoverView.start(self._about(body, epoch))
        self.all.append(Handover(view, sender, position, time_ms))

    def _mistrusted(self, epoch: Epoch) -> frozenset[int]:
        """Old members that were named or silent in an attempt to hand over this very epoch.

        Where somebody was named, honest dealers fell silent over it: they are none of these.
        """
        found = set[int]()
        for before in self.all:
            if before.about.epoch.digest == epoch.digest:
                view = before.view
                found |= view.culprits or view.attempt.owing
        return frozenset(found & set(range(1, self._terms.n_members + 1)))

    # ── what an attempt bars ──

    def lock_bar(self, member: int, opened_at: int) -> str:
        """Why a member may not lock a set of a round that was opened there; empty if it may."""
        if bar := self.help_bar(opened_at):
            return bar
        last = self.under_way
        if last is not None and not last.view.attempt.may_lock(member):
            return "the key is being handed over: no set is locked now"
        return ""

    def help_bar(self, opened_at: int) -> str:
        """Why nobody helps with a round that was opened there any more; empty if members may."""
        if (found := self._barring(opened_at)) is None:
            return ""
        if found.released_at is None:
            return "the key share that the round was opened under is given up"
        return "the key was handed over since the round was opened"

    def refresh_since(self, opened_at: int) -> Handover | None:
        """The refresh for which nobody helps with a round that was opened there any more.

        None if members may help, or the key went to another federation.
        """
        found = self._barring(opened_at)
        return found if found and found.is_refresh else None

    def _barring(self, opened_at: int) -> Handover | None:
        """The first attempt that bars help with what was opened there."""
        return next((handover for handover in self.all if handover.bars_help(opened_at)), None)

    @property
    def opening_bar(self) -> str:
        """Why no round may be opened now; empty if one may."""
        if self.successor is not None:
            return "the key was handed over to another federation"
        last = self.under_way
        if last is not None and last.view.attempt.is_agreed:
            return "the key is being handed over"
        return ""
