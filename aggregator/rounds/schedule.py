"""When a round opens and closes: decisions from the board and the clock alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from protocol.board import (
    MAX_BLOB_BYTES,
    MAX_CHUNKS,
    MAX_LENGTH,
    Opening,
    Posted,
    Statement,
    expected_count,
    read_session,
    suite_for,
    suite_of,
)
from protocol.encoding import width_of
from protocol.key import Epoch, to_number
from protocol.rounds import (
    Awaited,
    OpenedSets,
    RoundView,
    awaited_after,
    awaited_in,
    bounds_of,
    opening_for,
    round_session,
    sound_requests,
)
from protocol.terms import Terms

_HEADER_BYTES = 1_024
_PROOF_NUMBERS = 3  # of a contribution's proof, each of a ciphertext's size at most

Waited = Callable[[int], int]  # for how long, since a time of the board; both in ms


@dataclass
class Rounds:
    """All rounds of a federation, as the board tells them."""

    terms: Terms
    views: dict[str, RoundView] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.history = OpenedSets(self.terms, views=self.views)

    @property
    def min_contributors(self) -> int:
        """So many contributions a sum needs; hospitals refuse to decrypt one of fewer."""
        return self.terms.least_contributors

    def receive(self, posted: Posted) -> None:
        """Take note of an entry."""
        session = posted.post.session
        if not read_session(session).is_round:
            return
        self.views.setdefault(session, RoundView(session)).receive(posted)

    def to_open(self, epoch: Epoch, waited: Waited) -> list[tuple[str, Opening]]:
        """The rounds that open now, with their openings."""
        opened = []
        for session, view in self.views.items():
            if read_session(session).kind == "statistic" and view.requests and view.opening is None:
                asked = (opening_for(request, epoch.digest) for request in sound_requests(view))
                if fitting := [opening for opening in asked if self._fits(opening, epoch)]:
                    opened.append((session, fitting[0]))
        if training := self._training(epoch, waited):
            opened.append(training)
        return opened

    def _training(self, epoch: Epoch, waited: Waited) -> tuple[str, Opening] | None:
        number = self.next_number
        before = self.views.get(round_session(str(number - 1)))
        session = round_session(str(number))
        if number > self.terms.rounds.count or before is None:
            return None
        least = self.terms.least_agreeing
        alike = before.agreed(least)
        if not alike:
            return None  # too few have spoken, or too few of them stand at one model
        waited_ms = waited(before.agreed_ms(least))
        # Those who state something else are not waited for: they may change it at any time.
        is_early = waited_ms < 1000 * self.terms.rounds.seconds
        if len(before.statements) < self.terms.n_members and is_early:
            return None
        opening = self._opening_after(list(alike.values()), epoch)
        return (session, opening) if self._fits(opening, epoch) else None

    def _opening_after(self, alike: Sequence[Statement], epoch: Epoch) -> Opening:
        """The training round that goes on from what members have stated alike."""
        model, length = alike[0].result, alike[0].length
        suite, bounds = suite_for(self.terms, length).name, bounds_of(alike, self.terms)
        return Opening("training", epoch.digest, model, length, suite, *bounds)

    def _fits(self, opening: Opening, epoch: Epoch) -> bool:
        """Whether a contribution to the round can be sent; else nobody could make one."""
        if not 1 <= opening.length <= MAX_LENGTH:
            return False
        each = width_of(to_number(epoch.n) ** 2)
        numbers = expected_count(opening, self.terms) + _PROOF_NUMBERS
        if suite_of(opening.suite, self.terms).chunk_count(opening.length) > MAX_CHUNKS:
            return False
        return numbers * each + _HEADER_BYTES <= MAX_BLOB_BYTES

    def too_long(self, epoch: Epoch) -> dict[str, int]:
        """Lengths asked for, by session, that no contribution can have."""
        asked: dict[str, Opening] = {}
        for session, view in self.views.items():
            for request in sound_requests(view) if view.opening is None else ():
                asked.setdefault(session, opening_for(request, epoch.digest))
        before = self.views.get(round_session(str(self.next_number - 1)))
        is_last = self.next_number > self.terms.rounds.count
        for stated in before.statements.values() if before and not is_last else ():
            opening = self._opening_after([stated], epoch)
            asked.setdefault(round_session(str(self.next_number)), opening)
        return {s: o.length for s, o in asked.items() if not self._fits(o, epoch)}

    @property
    def next_number(self) -> int:
        """The training round that is to open next."""
        number = 1
        while (view := self.views.get(round_session(str(number)))) and view.opening:
            number += 1
        return number

    def disagreement(self) -> dict[int, bytes]:
        """Who stands at which model, where they do not agree."""
        view = self.views.get(round_session(str(self.next_number - 1)))
        stated = {m: s.result for m, s in view.statements.items()} if view else {}
        return stated if len(set(stated.values())) > 1 else {}

    def awaited(self) -> list[tuple[str, Awaited]]:
        """The sessions that are under way, and who is waited for: training first, if any is left.

        What is held back, is waited for otherwise (``protocol.rounds.history``).
        """
        found = [(v.session, awaited_in(v, self.terms)) for v in self.views.values()]
        open_ones = [(s, a) for s, a in found if a and not self.is_given_up(self.views[s])]
        last = round_session(str(self.next_number - 1))
        is_over = not any(session == last for session, _ in open_ones)
        if is_over and last in self.views and self.next_number <= self.terms.rounds.count:
            following = round_session(str(self.next_number))
            open_ones.append((following, awaited_after(self.views[last], self.terms)))
        return sorted(open_ones, key=lambda one: not one[0].startswith("round/"))

    def open_hybrid(self) -> list[RoundView]:
        """The open rounds under a hybrid suite, whose vectors are added as they come."""
        views = self.views.values()
        open_ones = [view for view in views if is_hybrid(view) and view.closing is None]
        return [view for view in open_ones if not self.is_given_up(view)]

    def is_given_up(self, view: RoundView) -> bool:
        """Whether hospitals have gone on without this round, to a later one of another model."""
        named = read_session(view.session)
        return named.kind == "round" and named.number < self.next_number - 1

    def to_close(self, waited: Waited) -> list[RoundView]:
        """The open rounds that have all contributions, or enough of them and no more time."""
        return [view for view in self.views.values() if self._is_due(view, waited)]

    def _is_due(self, view: RoundView, waited: Waited) -> bool:
        if view.opening is None or view.closing is not None or self.is_given_up(view):
            return False
        if len(view.contributions) == self.terms.n_members:
            return True
        policy = self.terms.rounds
        is_statistic = read_session(view.session).kind == "statistic"
        seconds = policy.statistic_seconds if is_statistic else policy.seconds
        is_late = waited(view.opening.time_ms) >= 1000 * seconds
        return is_late and len(view.contributions) >= self.min_contributors


def is_hybrid(view: RoundView) -> bool:
    """Whether a round has been opened under a hybrid suite."""
    opening = view.terms_of_opening
    return opening is not None and opening.kind == "training" and opening.suite != "paillier"
