"""What both programs tell people alike of a round: what it waits for, and what it leaves out."""

from collections.abc import Iterator, Mapping, Sequence

from protocol.words.counted import number_of
from protocol.words.foreign import shown

_DUE: dict[str, str] = {
    "approvals": "to approve the study, before {}",
    "statements": "to say at which model they stand, before {}",
    "agreement": "who state another model than the others, before {}",
    "opening": "to open {}",
    "contributions": "to contribute to {}",
    "sum": "to make the sum of {}",
    "locks": "to say whether they agree to the sum of {}",
    "parts": "to help to decrypt {}",
}
_LEFT_OUT: dict[str, str] = {
    "late": "it came while the sum was being made",
    "closed": "it came after the round was closed",
    "another-opening": "it answers another opening of the round",
    "differencing": (
        "with it, the sum and one that is open already would show what too few hospitals added"
    ),
    "unreadable": "its ciphertexts are not those that the round asks for",
    "withdrawn": "its sender's approval of the study did not stand until the sum was made",
    "unproven": "it has no proof that fits its ciphertexts",
    "vector": "its encrypted vector has another number or another size of chunks",
    "unsaid": "the aggregator does not say why",
}


def round_name(session: object) -> str:
    """A session as people say it, such as ``cardio/7`` for a round; it may be anybody's words."""
    return shown(str(session).removeprefix("study/"))


def due(step: str, session: str) -> str:
    """What is waited for, as people read it; ``step`` and ``session`` may be anybody's words."""
    if step not in _DUE:
        return f"{shown(step)} of {shown(session)}"
    return _DUE[step].format(shown(session))


def barred_by(handover: object, step: object) -> str:
    """That a round waits for a handover of the key, too; ``handover`` is its session.

    Both may be anybody's words.
    """
    if step in ("contributions", "sum", "locks"):
        return (
            f"No set is locked before {shown(handover)} is over. If the key is handed over in it, "
            "nothing comes of this round."
        )
    return f"No round is opened before {shown(handover)} is over."


def lost(session: object, goes_on: object) -> str:
    """That no sum of a round will be opened, and what becomes of its study."""
    said = f"{round_name(session)} is lost, since the key was handed over before its sum was opened"
    if goes_on:
        return f"{said}. The study keeps the model of before that round."
    return f"{said}, and the study goes no further. What it is for can be proposed anew."


def vector_lines(found: object) -> Iterator[str]:
    """For whom a study's vectors are kept, and who lacks some; ``found`` may be anybody's words."""
    if not isinstance(found, Mapping):
        return
    if behind := _names(found.get("behind")):
        until = f"{shown(found.get('days_after_end'))} days after the study's end"
        if round_ := found.get("until"):
            until = f"when round {shown(round_)} opens"
        yield (
            f"{behind} {_is_behind(found.get('behind'))}: the aggregator keeps the vectors of "
            f"round {shown(found.get('kept_from'))} and later ones for that. The first of them go "
            f"{until}, if not before."
        )
    if stranded := _names(found.get("stranded")):
        yield (
            f"{stranded} can go on only from another hospital's model: the vectors before round "
            f"{shown(found.get('kept_from'))} are deleted."
        )


def _names(found: object) -> str:
    return ", ".join(map(shown, found)) if isinstance(found, list) else ""


def _is_behind(found: object) -> str:
    return number_of(len(found) if isinstance(found, list) else 0, "is behind", "are behind")


def why_left_out(why: object, other: object) -> str:
    """Why a contribution is in no sum; ``why`` and ``other``, a name, may be anybody's words."""
    if why == "repeated":
        return f"it repeats a ciphertext of {shown(other)}"
    return _LEFT_OUT.get(str(why), f"({shown(why)})")


def ways_out(names: Sequence[str], needed: object, study: object) -> Iterator[str]:
    """A sentence for each way out of a round that is held back.

    names: of the hospitals whose contributions would let it close; none where nobody's would.
    needed: how many hospitals' votes end its study, whose name ``study`` is.
    """
    if names:
        contribute = number_of(len(names), "contributes", "contribute")
        yield f"It closes as soon as {', '.join(names)} {contribute}."
    yield (
        f"{needed} hospitals can end the study {shown(study)} and go on in another one: "
        f"quorate-participant study end {shown(study)}."
    )
