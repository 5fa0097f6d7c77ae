"""A dealer of a posted handover that commits to a dealing of its own making, and deals it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gmpy2 import mpz

from keyshare.digest import number_bytes
from keyshare.handover import Dealing, Drawn, HandoverPlan, deal, draw, points_for
from keyshare.key import SecretShare
from protocol.encoding import width_of
from protocol.handover.handed import commitment_for, seal_context
from protocol.messages.handover import HandedDealing
from protocol.sealing import seal
from tests.stage.handover.posted import PostedHandover
from tests.stage.toy import seed_of

Points = Mapping[int, mpz]


class Cheat:
    """What a dealer does otherwise: with what it draws, what it says, and what it seals.

    share: whose point it deals, its own where it is None. elsewhere: another plan in place of the
    attempt's.
    """

    def __init__(
        self,
        *,
        share: SecretShare | None = None,
        elsewhere: Callable[[HandoverPlan], HandoverPlan] = lambda plan: plan,
        draws: Callable[[HandoverPlan, Drawn], Drawn] = lambda plan, drawn: drawn,
        says: Callable[[HandoverPlan, Dealing], Dealing] = lambda plan, said: said,
        seals: Callable[[HandoverPlan, dict[int, mpz]], Points] = lambda plan, points: {},
    ) -> None:
        self.share, self.elsewhere = share, elsewhere
        self.draws, self.says, self.seals = draws, says, seals

    def handed(self, at: PostedHandover, dealer: int, own: SecretShare) -> HandedDealing:
        """The dealing, sealed to the receivers of this attempt."""
        assert at.view.plan is not None
        plan, about = self.elsewhere(at.view.plan), at.about
        drawn = self.draws(plan, draw(plan, dealer, seed_of("cheat", dealer)))
        point = about.epoch.state.point(own) if self.share is None else point_of(at, self.share)
        said = self.says(plan, deal(plan, dealer, point, drawn))
        honest = points_for(plan, drawn)
        return as_said(at, dealer, said, {**honest, **self.seals(plan, dict(honest))})


def as_said(at: PostedHandover, dealer: int, said: Dealing, points: Points) -> HandedDealing:
    """A dealing, whatever is in it, with these points sealed to the receivers of this attempt."""
    plan, about, sealed = at.view.plan, at.about, list[bytes]()
    assert plan is not None
    width = width_of(plan.dealt_bound)
    for number, receiver in enumerate(about.rosters.new, start=1):
        payload = int(points[number] % (1 << 8 * width)).to_bytes(width, "big")
        key = at.view.arrivals[receiver].once[dealer - 1]
        sealed.append(seal(key, payload, seal_context(about, plan, dealer, receiver)))
    return HandedDealing(
        bytes(32),
        number_bytes(said.mask),
        tuple(map(number_bytes, said.coefficients)),
        number_bytes(abs(said.difference)),
        said.difference < 0,
        tuple(sealed),
    )


def point_of(at: PostedHandover, share: SecretShare) -> mpz:
    """P(i) from any share, whosever it is, of whatever epoch."""
    state = at.about.epoch.state
    return (state.theta_prime - share.value) // state.n


def play(
    at: PostedHandover, dealer: int, make: Callable[[PostedHandover], HandedDealing]
) -> PostedHandover:
    """Let a dealer commit to this, and deal it; all others are honest."""
    at.run(lambda view: bool(view.attempt.dealers))
    made = make(at)
    assert at.view.plan is not None
    at.lied.add(dealer)
    at.say(dealer, commitment_for(at.view.plan, dealer, made))
    at.run(lambda view: view.attempt.is_committed)
    at.say(dealer, made)
    return at.run()
