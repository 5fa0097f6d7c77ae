"""Where this hospital stands after a round: what it states of that, and what that makes of others.

A round goes on from what members state. Whether it was opened by what they stated is checked here,
before anything is contributed to it or taken from it.
"""

from collections.abc import Callable
from typing import Any

from participant.errors import ModelMismatch, NotStated, OpenedWith
from participant.model import Layout, list_of, model_name
from participant.training.agreement import Agreement
from participant.training.outcome import Standing
from protocol.board import Board, Draft, Posted, Study, suite_for
from protocol.key import Epoch
from protocol.messages import ModelEntries, Statement
from protocol.rounds import RoundView

Report = Callable[[int, str, dict[str, Any]], None]  # round, event, facts


class Stance:
    """This hospital's statement after the last round it finished, among those of the others."""

    def __init__(
        self,
        study: Study,
        index: int,
        layout: Layout,
        standing: Standing,
        report: Report,
        run: str = "",
    ) -> None:
        """``run``: of a framework, for which this hospital trains."""
        self._study, self._layout, self._report, self._run = study, layout, report, run
        self._agreement = Agreement(study, index, list_of(layout))
        self.move(standing)

    def move(self, standing: Standing) -> None:
        """Stand at the model after another round, and report who stands at another one."""
        bounds, study = standing.bounds, self._study
        following = bounds.clip(study), bounds.max_examples(study)
        self._number, layout = standing.number, self._layout
        self._agreement.forget(standing.number)
        model = standing.model.digest
        self.statement = Statement(model, layout.weights, *following, layout.digest, self._run)
        self._reported: dict[str, Any] = {}
        self._compare()

    def hear(self, number: int, posted: Posted) -> None:
        """Take note of what a member states after a round, or says that its model is made of."""
        if isinstance(body := posted.post.body, Statement | ModelEntries):
            self._agreement.hear(number, posted.position, posted.post.sender, body)
            if number == self._number and isinstance(body, Statement):
                self._compare()  # a list comes before the statement that it belongs to

    @property
    def is_stated(self) -> bool:
        """Whether the board has this hospital's statement."""
        return self._agreement.has_stated(self._number, self.statement)

    def due(self) -> Draft | None:
        """The statement, and what the model is made of before the first one; None once stated."""
        if self.is_stated:
            return None
        entries = self._agreement.own if self._agreement.owes_list(self._number) else None
        return Draft(self._study.round(self._number), entries or self.statement)

    def is_agreed(self, number: int, model: bytes) -> bool:
        """Whether enough members state, after a round, that they stand at that model."""
        return self._agreement.is_agreed(number, model)

    def check_given(self, standing: Standing) -> None:
        """Raises NotStated on a model that people have put here, and too few have stated."""
        number, study = standing.number, self._study
        if standing.is_given and not self.is_agreed(number, standing.model.digest):
            place = model_name(study.name, number)
            raise NotStated(f"{study.name}/{number}", place, study.least_agreeing)

    @property
    def differing(self) -> tuple[int, ...]:
        """The members that state another model than this hospital's."""
        return tuple(self._agreement.differing(self._number, self.statement))

    @property
    def disagreement(self) -> dict[str, Any]:
        """How this hospital's model and others' differ, as in the event of that name."""
        return self._agreement.facts(self._number, self.statement)

    def check(self, view: RoundView, epoch: Epoch) -> None:
        """Raises ModelMismatch unless the next round is opened as this hospital's standing says.

        For this very plan, under this epoch, and with the bounds that members have asked for.
        """
        opened, name = view.opening, view.name
        assert opened is not None
        opening, due = opened.post.body, self._opened_with(opened.position)
        compared: tuple[tuple[OpenedWith, object, object], ...] = (
            ("plan", opening.plan, self._study.digest),
            ("model", opening.model, due.result),
            ("length", opening.length, due.length),
            ("key", opening.epoch, epoch.digest),
            ("bounds", (opening.clip, opening.max_examples), (due.clip, due.max_examples)),
            ("suite", opening.suite, suite_for(self._study, due.length).name),
        )
        for what, found, expected in compared:
            if found != expected:
                raise ModelMismatch(name, what, found, expected)
        other = self._agreement.other_run(self._number, opened.position, self.statement)
        if other is not None:
            raise ModelMismatch(name, "run", other or "without a name", self._run or "no name")

    def warn_of_wider(self, number: int, entry: int) -> None:
        """Report who had asked for wider bounds than follow from the counts, when it was opened.

        number, entry: the next round, and where the board has its opening.
        """
        own, opened = self.statement, self._opened_with(entry)
        is_wider = opened.clip > own.clip or opened.max_examples > own.max_examples
        if is_wider and (members := self._agreement.wider(self._number, entry, own)):
            names = [self._study.terms.name_of(m) for m in members]
            facts = {"members": names, "clip": opened.clip, "most": opened.max_examples}
            self._report(number, "widened", facts)

    def _opened_with(self, entry: int) -> Statement:
        """The statement with the bounds that hold if the next round is opened in that entry."""
        return self._agreement.opened_with(self._number, entry, self.statement)

    def _compare(self) -> None:
        """Report the members who stand at another model, and how many state this hospital's."""
        found = self.disagreement
        about = {key: found[key] for key in ("members", "entries")}
        if found["members"] and about != self._reported:
            self._report(self._number, "disagreement", found)
        self._reported = about


def said_before(board: Board, study: Study, index: int, finished: int) -> list[Posted]:
    """What counts of the rounds up to the last finished one, where models are stated, in order.

    All of that round, the lists of entries that this hospital has given (its number is ``index``),
    and the last one of every other. What is said in later rounds is received as it comes.
    """
    lists = board.lists(study.name)
    last = {one.sender: one.position for one in lists}
    wanted = {one.position for one in lists if one.sender == index} | set(last.values())
    found = {posted.position: posted for posted in board.session(study.round(finished))}
    found |= {position: board.entries[position - 1] for position in wanted - found.keys()}
    return [found[position] for position in sorted(found)]
