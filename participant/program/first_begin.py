"""What the first program of a study has fixed, and what of later ones does not fit to it."""

from typing import Any, NamedTuple

from participant.conversation import AppBegins
from participant.disk import Storage
from participant.errors import BadApp, ParticipantError
from participant.model import Layout, checked
from participant.program.beginning import (
    Beginning,
    forget_beginning,
    keep_beginning,
    kept_beginning,
)
from participant.program.not_answered import NotAnswered, Words, other_run
from protocol.board import Study


class Written(NamedTuple):
    """What a program has begun with, and what the model is made of."""

    beginning: Beginning
    layout: Layout


class FirstBegin:
    """The run, the entries and the first model of one study, once a program has begun.

    kept: None until then.
    """

    def __init__(self, study: Study, storage: Storage, words: Words) -> None:
        """words: for errors, as people read them. Raises DamagedFile."""
        self._study, self._storage, self._words = study, storage, words
        self.kept: Beginning | None = None
        self._layout: Layout | None = None
        if found := kept_beginning(storage, study.name):
            self.kept, parameters = found
            self._layout = Layout.of(parameters, self.kept.local_entries)

    def read(self) -> tuple[Beginning, Any]:
        """What is kept, and the model as it is given to training."""
        found = kept_beginning(self._storage, self._study.name)
        assert found is not None
        return found

    def require_run(self, said: str) -> None:
        """Raises NotAnswered for another run than the study's, and for none where it has one."""
        planned, kept = self._study.training.run, self.kept
        due = kept.run if kept else planned
        if (kept is not None or planned) and said != due:
            raise other_run(self._study, due, said, is_planned=bool(planned))

    def require_model(self, parameters: Any, what: str = "update") -> None:
        """Raises NotAnswered for a model of other entries, naming the first with both shapes."""
        if self._layout is None:
            raise NotAnswered(
                "round", f"no program has begun with study {self._study.name}", "begin first"
            )
        try:
            checked(parameters, self._layout, what)
        except BadApp as error:
            raise NotAnswered(
                "model", f"the model of this {what} is not that of study {self._study.name}: "
                f"{error.reason}",
                "a study trains one model. Another one is trained in another study",
            ) from None  # fmt: skip

    def require_fit(self, local: tuple[str, ...], initial: Any) -> None:
        """Raises NotAnswered for local entries, or a first model, that are not those of the first.

        initial: None for none.
        """
        assert self.kept is not None
        if self.kept.local_entries != local:
            raise NotAnswered(
                "model", f"local_entries are {list(local)}, and were "
                f"{list(self.kept.local_entries)}",
                "say the same in each hello of a study",
            )  # fmt: skip
        if initial is not None:
            self.require_model(initial, "begin")

    def write(
        self, run: str, local: tuple[str, ...], said: AppBegins, initial: Any, body: memoryview
    ) -> Written:
        """Keep what the first program begins with, durable on return; ``count`` comes next.

        Nothing needs to wait for it: a model that is large takes long to write, and to look
        through. Raises NotAnswered where it cannot be trained, or not be written.
        """
        if initial is None:
            raise NotAnswered(
                "model", "this study has no model yet, and begin brings none",
                "send the model before the first round with begin",
            )  # fmt: skip
        try:
            layout, place = Layout.of(initial, local), (self._storage, self._study.name)
            return Written(keep_beginning(*place, run, local, said, body), layout)
        except BadApp as error:
            why = "a study cannot train this model"
            raise NotAnswered("model", f"{why}: {error.reason}", "send another") from None
        except ParticipantError as error:
            raise NotAnswered("agent", *self._words(error)) from None

    def count(self, written: Written) -> None:
        """From now on that is what the study has begun with."""
        self.kept, self._layout = written

    def forget(self) -> None:
        """What was written does not count, and nothing has come of it."""
        forget_beginning(self._storage, self._study.name)
