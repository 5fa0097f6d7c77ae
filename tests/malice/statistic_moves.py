"""Statistics between rounds of training, with whatever colluders make of what they have seen."""

from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import rule

from protocol.board.messages import Request
from protocol.rounds.statistic import opening_for, sound_requests
from protocol.rounds.view import round_session
from tests.malice.aggregator import LIES
from tests.malice.choices import Course, course, enough, small, some, subset
from tests.malice.machine import MaliciousAggregator
from tests.malice.theft import PROOFS, RECIPES, Theft

NAMES = ("age", "ages", "stay")  # of one number, or of two
HOW = ("as asked",) * 12 + ("decimals", "length", "labels", "model")
thefts = st.builds(
    Theft, st.integers(0, 15), st.integers(0, 15), st.sampled_from(RECIPES), st.sampled_from(PROOFS)
)


class MaliciousStatistics(MaliciousAggregator):
    """All moves of training, and statistics between them."""

    @rule(
        before=course,
        name=st.sampled_from(NAMES),
        who=some,
        theft=thefts,
        steals=st.booleans(),
        how=st.sampled_from(HOW),
        lie=st.sampled_from(("none",) * 18 + LIES),
        without=some,
    )
    def statistic(
        self,
        before: Course,
        name: str,
        who: int,
        theft: Theft,
        steals: bool,
        how: str,
        lie: str,
        without: int,
    ) -> None:
        """A whole statistic, from its request to the sum; then hospitals train again."""
        self._go_on(before)
        session, hospitals = round_session(name), subset(self.honest, who)
        self._start(hospitals, name, contributes=True)
        self._open_statistic(session, how)
        self.a.run(hospitals)
        view = self.branch.view(session)
        if view.opening is not None:
            for member in self.a.colluders - view.contributions.keys():
                if steals:
                    self.a.steal(self.branch, member, session, theft)
                else:
                    self.a.contribute(self.branch, member, session, spoils=False)
            if view.closing is None:
                least = self.a.terms.least_contributors
                members = enough(sorted(view.contributions), without, least)
                self.a.close(self.branch, session, members, lie)
            self._help(self.branch, session)
            self._start(hospitals, name)
        self._start(hospitals, None)

    def _start(self, hospitals: list[int], name: str | None, contributes: bool = False) -> None:
        for index in hospitals:
            self.a.restart(index, self.branch, name, contributes=contributes)
        self.a.run(hospitals)

    def _open_statistic(self, session: str, how: str) -> None:
        view = self.branch.view(session)
        requests = sound_requests(view)
        if view.opening is not None or not requests:
            return
        opening = opening_for(requests[0], self.a.toy.epoch.digest)
        kinds: dict[str, dict[str, Any]] = {
            "decimals": {"decimals": opening.decimals + 1},
            "length": {"length": opening.length + 1},
            "labels": {"labels": bytes(32)},
            "model": {"model": self.a.models[0] if self.a.models else b"m" * 32},
        }
        opened = msgspec.structs.replace(opening, **kinds.get(how, {}))
        self.a.open(self.branch, session, opened)

    @rule(before=course, theft=thefts)
    def steal(self, before: Course, theft: Theft) -> None:
        """What is made of others' ciphertexts, as a colluder's update; of statistics as well."""
        self._go_on(before)
        session = self._session()
        view = self.branch.view(session)
        free = sorted(self.a.colluders - view.contributions.keys())
        if view.opening is not None and free and view.closing is None:
            self.a.steal(self.branch, free[0], session, theft)

    @rule(before=course, name=st.sampled_from(NAMES), length=st.integers(1, 3), decimals=small)
    def ask(self, before: Course, name: str, length: int, decimals: int) -> None:
        """A colluder asks for a statistic, as nobody else would."""
        self._go_on(before)
        colluder = min(self.a.colluders)
        self.a.say(self.branch, colluder, round_session(name), Request(length, decimals))
