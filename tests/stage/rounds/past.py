"""What counts of a round that is over."""

from keyshare.ceremony import MAX_MEMBERS
from protocol.messages.fields import MAX_NEAR
from protocol.rounds.known import PastContribution, PastRound
from tests.stage.rounds.contribution import near_to


def largest_past_round() -> PastRound:
    """Of as many members as there can be, each with as many near rounds as it may name."""
    session, everybody = f"study/{'n' * 64}/999999999", tuple(range(1, MAX_MEMBERS + 1))
    near = near_to(*[session] * MAX_NEAR)
    said = tuple(PastContribution(1 << 40, m, near) for m in everybody)
    about = session, 1 << 40, "model", bytes(32), 8.0, everybody, said, 1, 1, 1, everybody
    return PastRound(*about)  # type: ignore[arg-type]
