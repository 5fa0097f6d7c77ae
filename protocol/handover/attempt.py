"""One attempt to hand the key over: which words count, in their order on the board, and its end.

The old members decide how an attempt ends, in two votes. First the order on the board says which:
it is *held* once all new members have shown their shares, and *void* once lock_threshold old
members have said Void before that. Then the old members confirm what they see, each once: Release
where it is held, Thaw where it is void. Only lock_threshold of one kind makes it so. Two such sets
share an honest member, which says one of the two. So no attempt is both released and thawed,
whatever boards an aggregator shows (tests/protocol/handover/test_forks.py).

Here is the order of things alone. Whoever gives words to this has checked what is in them.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from protocol.messages import (
    Arrival,
    BareWord,
    Consent,
    DealingCommitment,
    HandedDealing,
    Said,
    ShownPart,
)

Outcome = Literal["", "held", "void"]


class HandoverWord(Enum):
    """What is said in an attempt; by old members unless another is named."""

    CONSENT = "consent"  # to what was proposed
    ARRIVE = "arrive"  # a new member: it has verified the board, and these are its sealing keys
    FREEZE = "freeze"  # it locks no set any more, and can deal
    FREEZE_ONLY = "freeze only"  # the same, and its key share is not there
    COMMIT = "commit"  # a dealer: to its whole dealing
    DEAL = "deal"  # a dealer: what it has committed to
    SHOW = "show"  # a new member: a proven part of the trial, with its share durable
    VOID = "void"  # it waits no longer, or has seen a misdeed
    RELEASE = "release"  # the attempt was held: it uses the old key share no more
    THAW = "thaw"  # the attempt was void: it uses the old key share again
    ACKNOWLEDGE = "acknowledge"  # a new member: it has seen the release, and has its share


_WORDS: dict[type, HandoverWord] = {
    Consent: HandoverWord.CONSENT,
    Arrival: HandoverWord.ARRIVE,
    DealingCommitment: HandoverWord.COMMIT,
    HandedDealing: HandoverWord.DEAL,
    ShownPart: HandoverWord.SHOW,
}
_KEPT_IN = {
    "consent": "consents", "arrive": "arrived", "freeze": "frozen", "freeze only": "frozen",
    "commit": "committed", "deal": "dealt", "show": "shown", "void": "voids",
    "release": "confirmed", "thaw": "confirmed", "acknowledge": "acknowledged",
}  # fmt: skip
_AFTER_THE_END = {HandoverWord.RELEASE, HandoverWord.THAW, HandoverWord.ACKNOWLEDGE}


def word_of(said: Said) -> HandoverWord:
    """The word that a content belongs to."""
    return HandoverWord(said.word) if isinstance(said, BareWord) else _WORDS[type(said)]


@dataclass(frozen=True)
class Rosters:
    """Who speaks: old members by their numbers 1 to ``n_old``, guests by the numbers after that.

    new: the numbers of all new members, old or guests. least_consents: how many old members have to
    agree. mistrusted: who was named or silent in an earlier attempt, and deals only where too few
    others could.
    """

    n_old: int
    quorum: int
    lock_threshold: int
    least_consents: int
    new: tuple[int, ...]
    mistrusted: frozenset[int] = frozenset()

    @property
    def old(self) -> range:
        """The numbers of the old members."""
        return range(1, self.n_old + 1)

    @property
    def candidates(self) -> Collection[int]:
        """Those who may be among the dealers."""
        trusted = [i for i in self.old if i not in self.mistrusted]
        return trusted if len(trusted) >= self.quorum else self.old


@dataclass(frozen=True)
class Attempt:
    """What has been said so far and counts, each word of a member once."""

    rosters: Rosters
    consents: frozenset[int] = frozenset()
    arrived: frozenset[int] = frozenset()
    frozen: frozenset[int] = frozenset()
    offering: tuple[int, ...] = ()  # the first who can deal, in their order on the board
    committed: frozenset[int] = frozenset()
    dealt: frozenset[int] = frozenset()
    shown: frozenset[int] = frozenset()
    voids: frozenset[int] = frozenset()
    outcome: Outcome = ""
    confirmed: frozenset[int] = frozenset()
    acknowledged: frozenset[int] = frozenset()

    # ── how far it is ──

    @property
    def is_agreed(self) -> bool:
        """Whether enough old members have consented, and all new members have arrived."""
        enough = len(self.consents) >= self.rosters.least_consents
        return enough and len(self.arrived) == len(self.rosters.new)

    @property
    def is_frozen(self) -> bool:
        """Whether no set can be locked under the old epoch any more."""
        return len(self.frozen) >= self.rosters.lock_threshold

    @property
    def dealers(self) -> tuple[int, ...]:
        """The members that deal, in order; nobody before they are known."""
        is_known = self.is_frozen and len(self.offering) == self.rosters.quorum
        return tuple(sorted(self.offering)) if is_known else ()

    @property
    def is_committed(self) -> bool:
        """Whether every dealer is bound to what it deals."""
        return bool(self.dealers) and len(self.committed) == len(self.dealers)

    @property
    def is_dealt(self) -> bool:
        """Whether every dealer has dealt."""
        return self.is_committed and len(self.dealt) == len(self.dealers)

    @property
    def owing(self) -> frozenset[int]:
        """The dealers that have a word to say and have not, as far as it is due.

        Before there are dealers: who may be one and cannot deal, or has not said that it can,
        though enough have frozen. Or else an attempt after the other would wait for the same.
        """
        if not self.dealers and self.is_frozen:
            return frozenset(self.rosters.candidates) - frozenset(self.offering)
        if not self.dealers or self.is_dealt:
            return frozenset()
        return frozenset(self.dealers) - (self.dealt if self.is_committed else self.committed)

    @property
    def is_released(self) -> bool:
        """Whether the new epoch is the key's, for good."""
        return self.outcome == "held" and self._is_confirmed

    @property
    def is_thawed(self) -> bool:
        """Whether the old epoch is the key's as before, for good."""
        return self.outcome == "void" and self._is_confirmed

    @property
    def is_settled(self) -> bool:
        """Whether all new members know that the new epoch is the key's."""
        return self.is_released and len(self.acknowledged) == len(self.rosters.new)

    @property
    def _is_confirmed(self) -> bool:
        return len(self.confirmed) >= self.rosters.lock_threshold

    # ── what counts ──

    def may_say(self, sender: int, word: HandoverWord) -> bool:
        """Whether an honest member may have said this by now; where it may, it may ever after."""
        is_new, is_old = sender in self.rosters.new, sender in self.rosters.old
        if word in (HandoverWord.CONSENT, HandoverWord.VOID):
            return is_old
        if word is HandoverWord.ARRIVE:
            return is_new
        if word in (HandoverWord.FREEZE, HandoverWord.FREEZE_ONLY):
            return is_old and self.is_agreed
        if word is HandoverWord.COMMIT:
            return sender in self.dealers
        if word is HandoverWord.DEAL:
            return sender in self.dealers and self.is_committed
        if word is HandoverWord.SHOW:
            return is_new and self.is_dealt
        if word is HandoverWord.ACKNOWLEDGE:
            return is_new and self.is_released
        return is_old and self.outcome == ("held" if word is HandoverWord.RELEASE else "void")

    def counts(self, sender: int, word: HandoverWord) -> bool:
        """Whether a word has an effect now; nothing is said twice."""
        is_in_time = not self.outcome or word in _AFTER_THE_END
        has_said = sender in getattr(self, _KEPT_IN[word.value])
        return is_in_time and not has_said and self.may_say(sender, word)

    def after(self, sender: int, word: HandoverWord) -> "Attempt":
        """The attempt once the next word stands on the board."""
        if not self.counts(sender, word):
            return self
        named = _KEPT_IN[word.value]
        found: Attempt = replace(self, **{named: getattr(self, named) | {sender}})
        if word is HandoverWord.FREEZE and sender in self.rosters.candidates:
            offering = (*self.offering, sender)[: self.rosters.quorum]
            found = replace(found, offering=offering)
        if word is HandoverWord.SHOW and len(found.shown) == len(self.rosters.new):
            return replace(found, outcome="held")
        if word is HandoverWord.VOID and len(found.voids) >= self.rosters.lock_threshold:
            return replace(found, outcome="void")
        return found

    # ── what an old member may do with its share ──

    def may_lock(self, member: int) -> bool:
        """Whether an old member may lock a set under the old epoch."""
        return self.is_thawed or not (member in self.frozen or self.is_frozen)

    @property
    def may_open(self) -> bool:
        """Whether old members may give parts of what was locked under the old epoch before."""
        return self.outcome != "held"
