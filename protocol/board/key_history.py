"""Which key counts, and from which entry on: made in a ceremony or taken over, then handed over.

The end of a ceremony, by one rule for all who look at it: machines, board, verdict, audit.

A member's *first* certificate counts, and nothing else that a member says in the last step, but for
an Abort. The key counts if the first certificates of all members are there and are the same, and no
Abort stands before the last of them. A first certificate that differs ends the ceremony. After
either end what is said in the session has no effect.

A certificate names the last entry of the step before, so none that was given earlier can be the
same as the others'.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from protocol.board.handover import Handovers
from protocol.board.inheritance import Inheritance
from protocol.board.post import Post, Posted, of_kind
from protocol.errors import Malformed
from protocol.key import Epoch, read_epoch
from protocol.messages import (
    Abort,
    Body,
    Certificate,
    Content,
    HandoverProposal,
    InheritedPart,
    KeyInherited,
    read_session,
)
from protocol.terms import Terms


class Certification:
    """Whether a ceremony has come to its end, by the posts of its session in their order.

    first: the certificate of each member that counts; is_complete: whether all members gave the
    same before anybody aborted; is_aborted: whether somebody did before that.
    """

    def __init__(self, n_members: int) -> None:
        self._n_members = n_members
        self.first: dict[int, Certificate] = {}
        self.is_complete = self.is_aborted = False

    @property
    def is_full(self) -> bool:
        """Whether all members have certified, alike or not."""
        return len(self.first) == self._n_members

    def take(self, sender: int, body: Body) -> bool:
        """Take the next post; whether it is a certificate that counts."""
        if self.is_complete or self.is_aborted:
            return False
        if isinstance(body, Abort):
            self.is_aborted = True
        if not isinstance(body, Certificate) or sender in self.first:
            return False
        self.first[sender] = body
        self.is_complete = self.is_full and len(set(self.first.values())) == 1
        return True


def is_aborted(posts: Iterable[Post], n_members: int) -> bool:
    """Whether a ceremony was aborted before all had certified the same; afterwards it is void."""
    found = Certification(n_members)
    for post in posts:
        found.take(post.sender, post.body)
    return found.is_aborted


def certified_by_all(entries: Sequence[Posted], terms: Terms) -> Iterator[Posted[Certificate]]:
    """The certificates with which all members have certified alike, before any abort."""
    sessions = defaultdict[str, Certification](lambda: Certification(terms.n_members))
    for posted in entries:
        post = posted.post
        if not isinstance(post.body, Abort | Certificate):
            continue
        found = sessions[post.session]
        if found.take(post.sender, post.body) and found.is_complete:
            yield from of_kind([posted], Certificate)


class KeyFrom(NamedTuple):
    """An epoch, and the entry from which on it is the key's."""

    position: int
    epoch: Epoch


class KeyHistory:
    """The epochs of a board's key, in their order, by the entries that count."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._ceremonies = defaultdict[str, Certification](partial(Certification, terms.n_members))
        self.inheritance = Inheritance(terms)
        self.handovers = Handovers(terms)
        self.epochs: list[KeyFrom] = []
        self.by_digest: dict[bytes, Epoch] = {}

    @property
    def newest(self) -> Epoch | None:
        """The last epoch that all members of these terms have, None before there is one."""
        return self.epochs[-1].epoch if self.epochs else None

    def stale_bar(self, opened_at: int, epoch: bytes) -> str:
        """Why nobody helps with a round whose opening names this epoch; empty if members may.

        Old shares are there until all new members have acknowledged. And those of a key that is
        taken over are there before it counts, with the sums that its own must be compared with. So
        an opening names the epoch that is the key's where it stands, or is none. While there was
        one epoch only, whoever names another names none: no share fits, and check 4.1 says so.
        """
        before = [found.epoch for found in self.epochs if found.position < opened_at]
        if not before:
            is_early = self._terms.takes_over_key
            return "it was opened before the key counted here" if is_early else ""
        is_stale = len(before) > 1 and before[-1].digest != epoch
        return "it was opened under a key share that is given up" if is_stale else ""

    def take(self, position: int, time_ms: int, session: str, sender: int, body: Body) -> None:
        """Take note of an entry that counts."""
        if isinstance(body, Abort | Certificate):
            self._certify(position, session, sender, body)
        elif isinstance(body, KeyInherited | InheritedPart):
            self._inherit(position, sender, body)
        elif isinstance(body, HandoverProposal):
            assert self.newest is not None  # or it would not count
            self.handovers.begin(position, time_ms, sender, body, self.newest)
        elif isinstance(body, Content):
            self._hand_over(position, time_ms, read_session(session).number, sender, body)

    def _certify(self, position: int, session: str, sender: int, body: Body) -> None:
        found = self._ceremonies[session]
        if not (found.take(sender, body) and found.is_complete):
            return
        assert isinstance(body, Certificate)
        with contextlib.suppress(Malformed):  # all have signed what is no epoch, as check 3.1 says
            self._add(position, read_epoch(body.epoch, self._terms))

    def _inherit(self, position: int, sender: int, body: KeyInherited | InheritedPart) -> None:
        if self.inheritance.take(sender, body):
            assert self.inheritance.epoch is not None
            self._add(position, self.inheritance.epoch)

    def _hand_over(
        self, position: int, time_ms: int, number: int, sender: int, content: Content
    ) -> None:
        handover = self.handovers.of(number)
        assert handover is not None  # or it would not count
        was_over = handover.is_over
        handover.take(position, time_ms, sender, content)
        if handover.released_at and not was_over and handover.is_refresh:
            assert handover.view.epoch is not None  # it was held, so all have shown their shares
            self._add(position, handover.view.epoch)

    def _add(self, position: int, epoch: Epoch) -> None:
        self.epochs.append(KeyFrom(position, epoch))
        self.by_digest[epoch.digest] = epoch


def epoch_of(entries: Iterable[Posted], terms: Terms) -> Epoch | None:
    """The key that all members have after these entries, None if there is none yet."""
    history = KeyHistory(terms)
    for posted in entries:
        post = posted.post
        history.take(posted.position, posted.time_ms, post.session, post.sender, post.body)
    return history.newest
