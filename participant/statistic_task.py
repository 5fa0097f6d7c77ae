"""Contributing numbers to a statistic round: asking for it, or joining it as it was opened."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import NoReturn

from gmpy2 import mpz

from keyshare.errors import UnfitNumber
from keyshare.statistic import MAX_DECIMALS
from participant.agent import Task
from participant.contribution import ContributionMaker
from participant.errors import UnfitNumbers
from participant.numbers import Numbers
from participant.outbox import Storage
from protocol.board import Board, Posted
from protocol.draft import Draft
from protocol.epoch import Epoch, EpochSecret
from protocol.foreign import shown
from protocol.messages import Request
from protocol.round import RoundView, round_session
from protocol.statistic import opening_for, request_of, sound_requests
from protocol.terms import Terms

_OTHER_ROUND = "ask the other members what this round sums; for anything else, another --round name"


class StatisticTask(Task):
    """One hospital's contribution to one statistic round; done when it is on the board.

    decimals: what the round must have; None for what the round has, or what the numbers need.
    Numbers are contributed to a round that a member asked for just as this hospital would.
    """

    def __init__(
        self,
        terms: Terms,
        secret: tuple[Epoch, EpochSecret],
        name: str,
        numbers: Numbers,
        storage: Storage,
        decimals: int | None = None,
    ) -> None:
        """Raises UnfitNumbers on numbers that would not fit into a round of their own."""
        self._terms, (self._epoch, self._secret) = terms, secret
        self._numbers, self._storage, self._decimals = numbers, storage, decimals
        self._view = RoundView(round_session(name))
        self.sent = False  # whether these very numbers are the contribution
        wanted = numbers.decimals if decimals is None else decimals
        if wanted > MAX_DECIMALS:
            self._refuse(f"its numbers need {wanted} decimals", f"round them to {MAX_DECIMALS}")
        self._request = Request(len(numbers.values), wanted, numbers.labels)
        self._plaintexts(self._request)

    @property
    def done(self) -> bool:
        """Whether the contribution is on the board."""
        return self._secret.index in self._view.contributions

    @property
    def session(self) -> str:
        """The round's session on the board."""
        return self._view.session

    @property
    def request(self) -> Request:
        """What was asked for by whoever opened the round, or is asked for by this hospital."""
        return request_of(self._view) or self._request

    def begin(self, board: Board) -> None:
        """Nothing to look up."""

    def wants(self, session: str) -> bool:
        """Only this round."""
        return session == self._view.session

    def needs(self, posted: Posted) -> bool:
        """Nothing: who contributes does not read what others do."""
        return False

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take note of an entry."""
        self._view.receive(posted)

    def due(self) -> Draft | None:
        """The request that opens the round, then the contribution.

        Raises UnfitNumbers if the round does not take these numbers.
        """
        view = self._view
        if self.done:
            return None
        if view.opening is None:
            if self._secret.index in view.requests:
                return None  # a second request of one member counts for nothing
            asked = any(not self._difference(request) for request in sound_requests(view))
            return None if asked else Draft(view.session, self._request)
        if view.closing:
            self._refuse(f"round {view.name} is closed already", _OTHER_ROUND)
        plaintexts = self._plaintexts(self._asked())
        maker = ContributionMaker(self._terms, self._epoch, self._secret, self._storage)
        self.sent = True
        return maker.make_statistic(plaintexts, view.opening)

    def _asked(self) -> Request:
        """What the round was opened for, as this hospital itself would have it."""
        opening, request = self._view.terms_of_opening, request_of(self._view)
        if request is None:
            self._refuse(
                f"round {self._view.name} was not opened as any member had asked", _OTHER_ROUND
            )
        if opening != opening_for(request, self._epoch.digest):
            self._refuse(
                f"round {self._view.name} was opened under another key than this hospital's",
                "begin a round of another name",
            )
        if reason := self._difference(request):
            self._refuse(reason, _OTHER_ROUND)
        return request

    def _difference(self, request: Request) -> str:
        """What a request asks for that these numbers are not; nothing if they fit."""
        own, name = self._request, self._view.name
        if request.length != own.length:
            return f"{own.length} numbers, round {name} has {request.length}"
        if request.labels != own.labels:
            pairs = zip_longest(own.labels, request.labels, fillvalue="no label")
            place, (here, there) = next((k, p) for k, p in enumerate(pairs, 1) if p[0] != p[1])
            return f"number {place} is {shown(here)!r}, in round {name} it is {shown(there)!r}"
        if self._decimals is not None and request.decimals != self._decimals:
            return f"--decimals {self._decimals}, round {name} has {request.decimals}"
        return ""

    def _plaintexts(self, request: Request) -> list[mpz]:
        n, members = self._epoch.joint_key().n, self._terms.n_members
        try:
            return self._numbers.plaintexts(request.decimals, members, n)
        except UnfitNumber as error:
            self._refuse(
                error.reason,
                f"round the numbers to {request.decimals} decimals, or agree on more, all for "
                "a round of another name with --decimals",
            )

    def _refuse(self, reason: str, remedy: str) -> NoReturn:
        raise UnfitNumbers(self._numbers.path, reason, remedy)
