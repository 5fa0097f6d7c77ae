"""Why a round gets no further, as training tells of it and as a program is told."""

from dataclasses import dataclass
from typing import Any, cast, get_args

from participant.errors import HeldUpBy, ModelsDiffer, RoundHeldUp
from participant.program.not_answered import NotAnswered, Words
from protocol.board import Study


@dataclass(frozen=True)
class Hindrance:
    """why: what, who and the remedy. number: of the round. is_final: nothing changes by waiting.

    waits_for_own: an update of this hospital's may change it.
    """

    number: int
    why: NotAnswered
    is_final: bool = False
    waits_for_own: bool = False


def hindrance_in(
    study: Study, number: int, event: str, facts: dict[str, Any], words: Words
) -> Hindrance | None:
    """What an event of training's says of the round that is due; None for most events.

    A disagreement over the model after a round is final once too few are left who may agree.
    """
    name = f"{study.name}/{number}"
    if event == "disagreement":
        members, names = facts["members"], [m.name for m in study.terms.members]
        undecided = len(study.members) - facts["agreeing"] - len(members)
        if facts["agreeing"] + undecided >= facts["needed"]:
            return None
        about = names.index(members[0]) + 1 if len(members) == 1 else 0
        why = NotAnswered(event, *words(ModelsDiffer(name, facts)), about)
        return Hindrance(number + 1, why, is_final=True)
    if event not in get_args(HeldUpBy):
        return None
    why = NotAnswered(event, *words(RoundHeldUp(name, cast("HeldUpBy", event), facts)))
    is_held = event == "held-back"
    is_final, own = is_held and not facts["members"], is_held and facts["waits_for_own"]
    return Hindrance(number, why, is_final, own)
