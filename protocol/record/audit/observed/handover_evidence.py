"""One handover as an auditor reads it: what was said, what came of it, and at which entries."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from protocol.board import B, Board, Handover, Posted, of_kind
from protocol.handover import AnyFault, HandoverView, Succession
from protocol.messages import BareWord, Content, ShownPart


class SeenMisdeed(NamedTuple):
    """A misdeed: the entry at which all saw it, whose it is by number, what it is."""

    posted: Posted
    culprit: int
    fault: AnyFault


class HandoverEvidence:
    """An attempt, replayed word by word.

    Where it was held, void, released and thawed is counted here by the words themselves, and not
    taken from ``Attempt``.
    """

    def __init__(self, handover: Handover, board: Board) -> None:
        """handover: as the board has it."""
        self.handover, self._board = handover, board
        said = board.session(self.session)
        self._said = [(p, p.post.body) for p in said if isinstance(p.post.body, Content)]
        self.words = [posted for posted, _ in self._said]

    @property
    def about(self) -> Succession:
        """What is handed over, and to whom."""
        return self.handover.about

    @property
    def session(self) -> str:
        """The attempt's session."""
        return self.about.session

    def name(self, number: int) -> str:
        """Who has this number in the attempt."""
        return self._board.name_of(self.session, number)

    @cached_property
    def _views(self) -> list[HandoverView]:
        """What the board shows before the first word, and after each."""
        found = [HandoverView.start(self.about)]
        for posted, content in self._said:
            found.append(found[-1].after(posted.post.sender, content))
        return found

    @property
    def view(self) -> HandoverView:
        """What the board shows at last."""
        return self._views[-1]

    def at(self, position: int) -> HandoverView:
        """What the board shows once the entry at a position stands there."""
        return self._views[sum(1 for posted in self.words if posted.position <= position)]

    @cached_property
    def misdeeds(self) -> Sequence[SeenMisdeed]:
        """All that somebody did wrong, in order."""
        found = self.view.misdeeds
        return [SeenMisdeed(self.words[m.entry - 1], m.culprit, m.fault) for m in found]

    def counted(self, kind: type[B]) -> Iterator[Posted[B]]:
        """The words of a kind that counted."""
        for posted, before, after in zip(self.words, self._views, self._views[1:], strict=False):
            if after.attempt != before.attempt:
                yield from of_kind([posted], kind)

    # ── its end, by the words ──

    @cached_property
    def frozen_at(self) -> dict[int, int]:
        """The freezes that counted, by old member."""
        words = {"freeze", "freeze only"}
        return {p.post.sender: p.position for p in self.counted(BareWord) if _word(p) in words}

    @property
    def all_frozen_at(self) -> int | None:
        """With this freeze no set can be locked any more."""
        return self._threshold(sorted(self.frozen_at.values()))

    @cached_property
    def held_at(self) -> int | None:
        """With this part all new members have shown theirs, before it was void."""
        shown = {p.post.sender: p.position for p in self.counted(ShownPart)}
        if shown.keys() != set(self.about.rosters.new):
            return None
        return max(shown.values())

    @cached_property
    def void_at(self) -> int | None:
        """With this void enough old members have said so, before it was held."""
        at = self._threshold(self._first_bare("void", 0))
        return at if at and not (self.held_at and self.held_at < at) else None

    @cached_property
    def released_at(self) -> int | None:
        """With this release enough old members have given the old epoch up."""
        held = self.held_at
        return self._threshold(self._first_bare("release", held)) if held else None

    @cached_property
    def thawed_at(self) -> int | None:
        """With this thaw enough old members use the old epoch as before."""
        void = self.void_at
        return self._threshold(self._first_bare("thaw", void)) if void else None

    def is_over(self, position: int) -> bool:
        """Whether it was released or thawed by an entry."""
        return any(at and at <= position for at in (self.released_at, self.thawed_at))

    @property
    def outcome(self) -> str:
        """As ``Attempt`` has it."""
        return "held" if self.held_at else "void" if self.void_at else ""

    def said_bare(self, word: str, after: int = 0) -> set[int]:
        """Who has said a word after an entry."""
        return {p.post.sender for p in self.words if _word(p) == word and p.position > after}

    def _first_bare(self, word: str, after: int) -> list[int]:
        """Where each old member said a word first after an entry, in order."""
        found = dict[int, int]()
        for posted in self.words:
            sender, is_due = posted.post.sender, posted.position > after
            if is_due and _word(posted) == word and sender in self.about.rosters.old:
                found.setdefault(sender, posted.position)
        return sorted(found.values())

    def _threshold(self, positions: Sequence[int]) -> int | None:
        """The one of these with which they are as many as lock_threshold."""
        least = self.about.old.lock_threshold
        return positions[least - 1] if len(positions) >= least else None


def _word(posted: Posted) -> str:
    body = posted.post.body
    return body.word if isinstance(body, BareWord) else ""
