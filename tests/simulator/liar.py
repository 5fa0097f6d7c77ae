"""A hospital whose program lies once, in the first ceremony, and behaves ever after."""

from collections.abc import Callable

from participant.ceremony.task import CeremonyTask
from protocol.board.draft import Draft
from protocol.messages.ceremony import Abort, Join, Step
from tests.stage.files import spoilt, with_payload

FIRST = "ceremony/1"


class LyingTask(CeremonyTask):
    """A ceremony in which one post is made something else before it is signed."""

    lie: Callable[[Draft, int], Draft] = staticmethod(lambda draft, victim: draft)

    def due(self) -> Draft | None:
        draft = super().due()
        if draft is None or draft.session != FIRST:
            return draft
        return self.lie(draft, self._index % self._terms.n_members + 1)


def _spoil(step: str, is_private: bool) -> Callable[[Draft, int], Draft]:
    def lie(draft: Draft, victim: int) -> Draft:
        if not isinstance(draft.body, Step) or draft.body.step != step:
            return draft
        return with_payload(draft, victim if is_private else 0, spoilt)

    return lie


def _accuse(draft: Draft, victim: int) -> Draft:
    claim = Abort(victim, "deal", "a payload does not open")
    is_turn = isinstance(draft.body, Step) and draft.body.step == "screen-commit"
    return Draft(draft.session, claim) if is_turn else draft


def _stay_away(draft: Draft, victim: int) -> Draft:
    return Draft(FIRST, Abort(0, "join", "no")) if isinstance(draft.body, Join) else draft


LIES: dict[str, Callable[[Draft, int], Draft]] = {
    "a broken seal": _spoil("deal", is_private=True),
    "a wrong share of N": _spoil("moduli", is_private=False),
    "a wrong leaf": _spoil("theta-commit", is_private=False),
    "a wrong partial decryption": _spoil("trial", is_private=False),
    "a false accusation": _accuse,
    "an abort instead of a join": _stay_away,
}
