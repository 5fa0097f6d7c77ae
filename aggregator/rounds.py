"""When a round opens and closes: decisions from the board and the clock alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.board import Posted
from protocol.epoch import Epoch
from protocol.messages import Opening, Statement
from protocol.round import RoundView, round_session
from protocol.terms import Terms

NO_MODEL = bytes(32)


@dataclass
class Rounds:
    """All rounds of a federation, as the board tells them."""

    terms: Terms
    views: dict[str, RoundView] = field(default_factory=dict)
    _stated_ms: dict[str, list[int]] = field(default_factory=dict)

    @property
    def min_contributors(self) -> int:
        """So many contributions a sum needs; hospitals refuse to decrypt one of fewer."""
        return self.terms.rounds.min_contributors

    def receive(self, posted: Posted) -> None:
        """Take note of an entry."""
        session = posted.post.session
        if session.partition("/")[0] not in ("round", "statistic"):
            return
        view = self.views.setdefault(session, RoundView(session))
        known = set(view.statements)
        view.receive(posted)
        if isinstance(posted.post.body, Statement) and posted.post.sender not in known:
            self._stated_ms.setdefault(session, []).append(posted.time_ms)

    def to_open(self, epoch: Epoch, now_ms: int) -> list[tuple[str, Opening]]:
        """The rounds that open now, with their openings."""
        opened = []
        for session, view in self.views.items():
            if session.startswith("statistic/") and view.requests and view.opening is None:
                length = next(iter(view.requests.values())).post.body.length  # type: ignore[union-attr]
                opened.append((session, Opening("statistic", epoch.digest, NO_MODEL, length)))
        if training := self._training(epoch, now_ms):
            opened.append(training)
        return opened

    def _training(self, epoch: Epoch, now_ms: int) -> tuple[str, Opening] | None:
        number = self.next_number
        before = self.views.get(round_session(str(number - 1)))
        session = round_session(str(number))
        if number > self.terms.rounds.count or before is None:
            return None
        stated = {(s.result, s.length) for s in before.statements.values()}
        if len(stated) != 1:
            return None  # nobody has spoken, or they stand at different models
        times = self._stated_ms[before.session]
        least = self.min_contributors
        if len(times) < self.terms.n_members:
            wait_ms = 1000 * self.terms.rounds.seconds
            if len(times) < least or now_ms < times[least - 1] + wait_ms:
                return None
        result, length = stated.pop()
        return session, Opening("training", epoch.digest, result, length)

    @property
    def next_number(self) -> int:
        """The training round that is to open next."""
        number = 1
        while (view := self.views.get(round_session(str(number)))) and view.opening:
            number += 1
        return number

    def disagreement(self) -> dict[int, bytes]:
        """Who stands at which model, where the members do not stand at the same one."""
        view = self.views.get(round_session(str(self.next_number - 1)))
        stated = {m: s.result for m, s in view.statements.items()} if view else {}
        return stated if len(set(stated.values())) > 1 else {}

    def to_close(self, now_ms: int) -> list[RoundView]:
        """The open rounds that have all contributions, or enough of them and no more time."""
        return [view for view in self.views.values() if self._is_due(view, now_ms)]

    def _is_due(self, view: RoundView, now_ms: int) -> bool:
        if view.opening is None or view.closing is not None:
            return False
        if len(view.contributions) == self.terms.n_members:
            return True
        policy = self.terms.rounds
        is_statistic = view.session.startswith("statistic/")
        seconds = policy.statistic_seconds if is_statistic else policy.seconds
        waited = now_ms >= view.opening.time_ms + 1000 * seconds
        return waited and len(view.contributions) >= self.min_contributors
