"""Who states which model after a round, and in what the entries of those models differ."""

from collections import Counter, defaultdict
from dataclasses import asdict
from typing import Any

import msgspec

from participant.model import EntryDifference, differences
from protocol.board import Study
from protocol.messages import ModelEntries, Statement
from protocol.rounds import bounds_of

_MAX_TOLD = 100  # differing entries of one hospital
_MOST_LISTS = 2  # in a round: the budget of what is for people alone


class Agreement:
    """What the board says of the hospitals' models, compared with this hospital's."""

    def __init__(self, study: Study, index: int, own: ModelEntries) -> None:
        """``own``: the list of this hospital's entries."""
        self._study, self._terms, self._index, self.own = study, study.terms, index, own
        # By round, then by entry: who states what, in the order of the board.
        self._said: defaultdict[int, dict[int, tuple[int, Statement]]] = defaultdict(dict)
        self._last: defaultdict[int, dict[int, Statement]] = defaultdict(dict)  # then by member
        self._lists: dict[int, ModelEntries] = {}  # each member's last
        self._found: dict[int, list[EntryDifference]] = {}  # by member, from these lists
        self._own_lists: set[tuple[int, bytes]] = set()  # rounds, and what was listed there

    def hear(self, number: int, entry: int, member: int, said: Statement | ModelEntries) -> None:
        """Take note of what a member states after a round, or lists there, in this entry.

        Entries come in the order of the board; one that comes again says nothing new.
        """
        if isinstance(said, Statement):
            if entry not in self._said[number]:
                self._said[number][entry] = member, said
                self._last[number][member] = said
            return
        self._lists[member] = said
        self._found.pop(member, None)
        if member == self._index:
            self._own_lists.add((number, said.digest))

    def forget(self, before: int) -> None:
        """Let go of what was stated after rounds before this one; nobody asks for it any more."""
        for number in [number for number in self._last if number < before]:
            del self._last[number]
            self._said.pop(number, None)

    def owes_list(self, number: int) -> bool:
        """Whether this hospital has still to list its entries, before it states a model of them."""
        is_listed = any(digest == self.own.digest for _, digest in self._own_lists)
        return not is_listed and sum(n == number for n, _ in self._own_lists) < _MOST_LISTS

    def has_stated(self, number: int, own: Statement) -> bool:
        """Whether this is this hospital's last word after the round."""
        return self._last[number].get(self._index) == own

    def opened_with(self, number: int, entry: int, own: Statement) -> Statement:
        """``own`` with the bounds that hold if the next round is opened in that entry."""
        stated, about = self._stated(number, entry).values(), own.about
        alike = [said for said in stated if said.about == about]
        clip, examples = bounds_of(alike, self._study)
        return msgspec.structs.replace(own, clip=clip, max_examples=examples)

    def wider(self, number: int, entry: int, own: Statement) -> list[int]:
        """Who has asked by then for wider bounds than this hospital."""
        alike = [(m, s) for m, s in self._stated(number, entry).items() if s.about == own.about]
        clip, most = own.clip, own.max_examples
        return sorted(m for m, said in alike if said.clip > clip or said.max_examples > most)

    def other_run(self, number: int, entry: int, own: Statement) -> str | None:
        """The run for which more members than for ``own``'s had stated its model by that entry."""
        of_model = own.about[:-1]
        stated = self._stated(number, entry).values()
        runs = Counter(said.run for said in stated if said.about[:-1] == of_model)
        run, count = max(runs.items(), key=lambda found: found[1], default=(own.run, 0))
        return run if count > runs[own.run] else None

    def is_agreed(self, number: int, model: bytes) -> bool:
        """Whether enough members for the next round state one thing of that model."""
        alike = Counter(s.about for s in self._last[number].values() if s.result == model)
        return max(alike.values(), default=0) >= self._study.least_agreeing

    def differing(self, number: int, own: Statement) -> list[int]:
        """The members who state something else after the round than this hospital."""
        stated = self._last[number].items()
        return sorted(m for m, s in stated if s.about != own.about and m != self._index)

    def facts(self, number: int, own: Statement) -> dict[str, Any]:
        """``members`` who state something else, and how many are ``agreeing`` of those ``needed``.

        ``entries``: of those whose models have other entries, the first differences as far as they
        have listed them, and how many ``more`` there are. ``runs``: of those who train for another
        run than this hospital's ``run``.
        """
        stated = self._last[number]
        differing = self.differing(number, own)
        alike = sum(s.about == own.about for s in {**stated, self._index: own}.values())
        return {
            "members": [self._terms.name_of(m) for m in differing],
            "agreeing": alike,
            "needed": self._study.least_agreeing,
            "entries": [
                {"member": self._terms.name_of(m), **self._told(m, stated[m].entries)}
                for m in differing
                if stated[m].entries != own.entries
            ],
            "run": own.run,
            "runs": [
                {"member": self._terms.name_of(m), "run": stated[m].run}
                for m in differing
                if stated[m].run != own.run
            ],
        }

    def _stated(self, number: int, before: int) -> dict[int, Statement]:
        """What each member had stated last, before an entry of the board."""
        return {m: s for entry, (m, s) in self._said[number].items() if entry < before}

    def _told(self, member: int, digest: bytes) -> dict[str, Any]:
        said = self._lists.get(member)
        if said is None or said.digest != digest:
            return {"differences": [], "more": 0}
        if member not in self._found:  # a member may state models again and again
            self._found[member] = differences(self.own, said)
        found = self._found[member]
        return {"differences": list(map(asdict, found[:_MAX_TOLD])), "more": len(found[_MAX_TOLD:])}
