"""What is handed over, and to whom: what all speak about before the first word."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from protocol.encoding import digest, encode
from protocol.errors import BadTerms
from protocol.handover.attempt import Rosters
from protocol.key import Epoch
from protocol.terms import Terms, check_succession, least_consents, numbers_on_board


@dataclass(frozen=True)
class Succession:
    """An attempt's subject, the same for all.

    old, epoch: the federation as it is, and its key. session: the attempt's. new: the terms of the
    federation that takes over, or the old one where the key is refreshed. mistrusted: numbers of
    old members that deal only where too few others could. Raises BadTerms where these do not fit
    together.
    """

    old: Terms
    epoch: Epoch
    session: str
    new: Terms
    mistrusted: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        epoch, old = self.epoch, self.old
        sizes = epoch.quorum, len(epoch.verification_keys)
        if epoch.federation != old.federation or sizes != (old.quorum, old.n_members):
            raise BadTerms("federation", "the key is another federation's")
        if self.is_refresh:
            return
        check_succession(old, self.new)
        if not self.new.takes_over_key:
            raise BadTerms("predecessor.key", "it says that a ceremony makes a new key")

    @property
    def is_refresh(self) -> bool:
        """Whether the old terms stay."""
        return self.new.federation == self.old.federation

    @property
    def least_consents(self) -> int:
        """How many old members have to agree."""
        return least_consents(self.old, self.new)

    @cached_property
    def rosters(self) -> Rosters:
        """Who speaks, by numbers: a new member that is no old one comes after them, as a guest."""
        old = self.old
        sizes = old.n_members, old.quorum, old.lock_threshold, self.least_consents
        return Rosters(*sizes, numbers_on_board(old, self.new), self.mistrusted)

    @cached_property
    def names(self) -> dict[int, str]:
        """Who speaks, by the numbers on the board.

        A guest is called one: it may have an old member's name, since a machine may be replaced. So
        what it does is never said of the old member.
        """
        new = zip(self.rosters.new, self.new.members, strict=True)
        found = {n: f"{member.name} (guest)" for n, member in new}
        return found | {n: self.old.name_of(n) for n in self.rosters.old}

    @cached_property
    def subject(self) -> bytes:
        """32 bytes that all of it goes into."""
        rosters = self.rosters
        sizes = rosters.n_old, rosters.quorum, rosters.lock_threshold, rosters.least_consents
        who: tuple[Sequence[int], ...] = sizes, rosters.new, sorted(rosters.mistrusted)
        names = self.old.federation, self.session.encode(), self.epoch.digest, self.new.federation
        return digest("quorate/handover/subject", *names, encode(who))

    def new_number(self, member: int) -> int:
        """A new member's number in the new epoch, from the one it has on the board."""
        return self.rosters.new.index(member) + 1
