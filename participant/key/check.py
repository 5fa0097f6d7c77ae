"""Checking key shares together with the members who are there: a decryption of a test value."""

import secrets
from collections.abc import Mapping

from keyshare.randomness import Stream
from participant.agent import Task
from participant.waiting import Waiting
from protocol.board import Board, Draft, Posted
from protocol.key import HeldKey, HeldKeys
from protocol.key_check import NONCE_BYTES, KeyCheck
from protocol.messages import Body, CheckPart, CheckRequest
from protocol.terms import Terms

JOIN_SECONDS = 600  # so long after a check was asked for, who comes takes part in it


class KeyCheckTask(Task):
    """One hospital's part in a check of key shares.

    Those of the newest epoch when it is made; without its own share of that it says nothing more.
    It is done when a quorum's shares are found good, or everybody's part is there; with
    ``waits_for_all``, only then. ``now_ms``: this machine's clock, in ms since 1970.
    answers: the check that this hospital adds its part to, and is done with then.
    """

    def __init__(self, terms: Terms, keys: HeldKeys, now_ms: int, answers: str = "") -> None:
        self._terms, self._keys, self._epoch = terms, keys, keys.current.epoch
        self._now_ms, self._answers = now_ms, answers
        self.waits_for_all = False
        self.check: KeyCheck | None = None

    @property
    def done(self) -> bool:
        """Whether what is waited for is there, this hospital's own part included."""
        if self._answers and self._key is None:  # there is nothing to answer with
            return True
        if self.check is None or self._keys.index not in self.check.heard:
            return False
        if self._answers or len(self.check.heard) == self._terms.n_members:
            return True
        return not self.waits_for_all and len(self.check.good) >= self._terms.quorum

    @property
    def _key(self) -> HeldKey | None:
        return self._keys.of(self._epoch.digest)

    @property
    def missing(self) -> tuple[int, ...]:
        """The members whose part is not there."""
        heard = self.check.heard if self.check else []
        return tuple(m for m in range(1, self._terms.n_members + 1) if m not in heard)

    def waiting(self, board: Board) -> Waiting:
        """The members whose part is missing, and how many of them are enough."""
        check, quorum = self.check, self._terms.quorum
        needed = max(0, quorum - len(check.good)) if check else quorum
        facts = {"session": check and check.session, "needed": needed or len(self.missing)}
        return Waiting("check", self.missing, facts)

    def begin(self, board: Board) -> None:
        """Join the first check that is under way, or ask for one under the next free number.

        Over a second link the check stays the one that it was.
        """
        if self.check is not None:
            return
        number = 1
        while entries := board.session(f"check/{number}"):
            if is_under_way(entries, self._terms, self._epoch.digest, self._now_ms):
                break
            number += 1
        stream = Stream(secrets.token_bytes(32))
        nonce = secrets.token_bytes(NONCE_BYTES)
        self.session = self._answers or f"check/{number}"
        self.check = KeyCheck(self.session, self._epoch, self._keys.index, nonce, stream)

    def needs(self, posted: Posted) -> bool:
        """The first part of each member."""
        return self.check is not None and self.check.needs(posted)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """A request or a part."""
        assert self.check is not None
        self.check.receive(posted, payloads)

    def due(self) -> Draft | None:
        """The request, or this hospital's part."""
        key = self._key
        return self.check.due(key.secret) if self.check and key else None


def is_under_way(entries: list[Posted], terms: Terms, epoch: bytes, now_ms: int) -> bool:
    """Whether a check, by its entries, is one of this epoch that may still be joined."""
    asked = (p.time_ms for p in entries if _is_request(p.post.body, epoch))
    if (asked_ms := next(asked, None)) is None or abs(now_ms - asked_ms) > 1000 * JOIN_SECONDS:
        return False
    return len(_answered(entries)) < terms.n_members


def check_to_answer(board: Board, terms: Terms, held: HeldKey, now_ms: int) -> str:
    """The first check under way that lacks this hospital's part; empty if there is none.

    Only one that another member has asked for: its own is a command's.
    """
    epoch, secret = held
    number = 1
    while entries := board.session(f"check/{number}"):
        asked = (p.post.sender for p in entries if _is_request(p.post.body, epoch.digest))
        if is_under_way(entries, terms, epoch.digest, now_ms) and secret.index not in _answered(
            entries
        ) | {next(asked, 0)}:
            return f"check/{number}"
        number += 1
    return ""


def _is_request(body: Body, epoch: bytes) -> bool:
    return isinstance(body, CheckRequest) and body.epoch == epoch


def _answered(entries: list[Posted]) -> set[int]:
    return {p.post.sender for p in entries if isinstance(p.post.body, CheckPart)}
