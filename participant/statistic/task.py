"""Contributing numbers to a statistic round: asking for it, or joining it as it was opened."""

from collections.abc import Mapping
from typing import NoReturn

from gmpy2 import mpz

from keyshare.errors import UnfitNumber
from keyshare.rounds import MAX_DECIMALS
from participant.agent import Task
from participant.disk import Storage
from participant.errors import UnfitNumbers
from participant.rounds import ContributionMaker, round_waiting
from participant.statistic.numbers import Numbers
from participant.statistic.request_fit import OTHER_ROUND, Misfit, misfit
from participant.waiting import Waiting
from protocol.board import Board, Draft, Posted, Request
from protocol.key import HeldKey
from protocol.rounds import RoundView, opening_for, request_of, round_session, sound_requests
from protocol.terms import Terms
from protocol.words.counted import counted


class StatisticTask(Task):
    """One hospital's contribution to one statistic round; done when it is on the board.

    decimals: what the round must have; None for what the round has, or what the numbers need.
    Numbers are contributed to a round that a member asked for just as this hospital would.
    """

    def __init__(
        self,
        terms: Terms,
        secret: HeldKey,
        name: str,
        numbers: Numbers,
        storage: Storage,
        decimals: int | None = None,
    ) -> None:
        """Raises UnfitNumbers on numbers that would not fit into a round of their own."""
        self._terms, (self._epoch, self._secret) = terms, secret
        self._numbers, self._storage, self._decimals = numbers, storage, decimals
        self.session = round_session(name)
        self.view = RoundView(self.session)
        self.sent = False  # whether these very numbers are the contribution
        wanted = numbers.decimals if decimals is None else decimals
        if wanted > MAX_DECIMALS:
            what = counted(wanted, "decimal")
            self._refuse(f"its numbers need {what}", f"round them to {MAX_DECIMALS} or fewer")
        self._request = Request(len(numbers.values), wanted, numbers.labels)
        self._plaintexts(self._request)

    @property
    def done(self) -> bool:
        """Whether the contribution is on the board."""
        return self._secret.index in self.view.contributions

    @property
    def request(self) -> Request:
        """What was asked for by whoever opened the round, or is asked for by this hospital."""
        return request_of(self.view) or self._request

    def waiting(self, board: Board) -> Waiting:
        """What the round is waiting for."""
        return round_waiting(RoundView.of(self.session, board.session(self.session)), self._terms)

    def needs(self, posted: Posted) -> bool:
        """Nothing: who contributes does not read what others do."""
        return False

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take note of an entry."""
        self.view.receive(posted)

    def due(self) -> Draft | None:
        """The request that opens the round, then the contribution.

        Raises UnfitNumbers if the round does not take these numbers.
        """
        view = self.view
        if self.done:
            return None
        if view.opening is None:
            if self._secret.index in view.requests:
                return None  # a second request of one member counts for nothing
            asked = any(not self._misfit(request) for request in sound_requests(view))
            return None if asked else Draft(view.session, self._request)
        if view.closing:
            self._refuse(f"round {view.name} is closed already", OTHER_ROUND)
        plaintexts = self._plaintexts(self._asked())
        maker = ContributionMaker(self._terms, self._epoch, self._secret, self._storage)
        self.sent = True
        return maker.make_statistic(plaintexts, view.opening)

    def _asked(self) -> Request:
        """What the round was opened for, as this hospital itself would have it."""
        opening, request = self.view.terms_of_opening, request_of(self.view)
        if request is None:
            self._refuse(
                f"round {self.view.name} was not opened as any member had asked", OTHER_ROUND
            )
        if opening != opening_for(request, self._epoch.digest):
            self._refuse(
                f"round {self.view.name} was opened under another key than this hospital's",
                "begin a round of another name",
            )
        if found := self._misfit(request):
            self._refuse(*found)
        return request

    def _misfit(self, request: Request) -> Misfit | None:
        """What a request asks for that these numbers are not."""
        return misfit(self._numbers, self._decimals, request, self.view.name)

    def _plaintexts(self, request: Request) -> list[mpz]:
        n, members = self._epoch.joint_key().n, self._terms.n_members
        try:
            return self._numbers.plaintexts(request.decimals, members, n)
        except UnfitNumber as error:
            self._refuse(
                error.reason,
                f"round the numbers to {counted(request.decimals, 'decimal')}, or agree on more, "
                "all for a round of another name with --decimals",
            )

    def _refuse(self, reason: str, remedy: str) -> NoReturn:
        raise UnfitNumbers(self._numbers.path, reason, remedy)
