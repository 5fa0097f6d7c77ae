"""What a program is told where its question is not answered: the rule, why, and what to do."""

from collections.abc import Callable

from protocol.board import Study
from protocol.words import shown

Words = Callable[[Exception], tuple[str, str]]  # what is wrong, and what to do about it


class NotAnswered(Exception):
    """member: whom it is about, 0 for none."""

    def __init__(self, rule: str, reason: str, remedy: str = "", member: int = 0) -> None:
        super().__init__(reason)
        self.rule, self.reason, self.remedy, self.member = rule, reason, remedy, member


class NoMore(Exception):
    """The study is over: there is no more to do."""


def other_run(study: Study, due: str, said: str, is_planned: bool) -> NotAnswered:
    """A program trains for another run than the study."""
    own = f"run {shown(due)}" if due else "programs that name no run"
    other = f"run {shown(said)}" if said else "no run that it names"
    by = "its plan names it" if is_planned else "the first program has begun so"
    return NotAnswered(
        "run",
        f"study {study.name} is trained for {own} ({by}), and this program trains for {other}",
        "one study is one run. Propose another study for another run; it can start from this one's "
        f"last model, with study new --start {study.name}/{study.rounds}",
    )


def turn_is_over(study: Study) -> NotAnswered:
    """Another program has given the update of this turn."""
    return NotAnswered(
        "turn",
        f"this hospital has given its update to study {study.name} in this turn of the server, by "
        "another program",
        "one program of a hospital trains in a turn. End the other one, or give it the socket of "
        "another study",
    )


def wrong_app(study: Study, said: str) -> NotAnswered:
    """A program runs something else than the plan says, or does not say what."""
    runs = f"SHA-256 {said}" if said else "nothing that it names"
    return NotAnswered(
        "app",
        f"the plan of study {study.name} pins the app with SHA-256 {study.training.app.hex()}, and "
        f"this program says that it runs {runs}",
        "run that app, or propose another study for another app",
    )


def ended(study: Study, error: Exception | None, words: Words) -> Exception:
    """What a program is told after the last round, or after what has ended training before."""
    if error is None:
        return NoMore()
    what, remedy = words(error)
    return NotAnswered("ended", f"study {study.name} is trained no more here: {what}", remedy)
