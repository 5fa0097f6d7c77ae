"""A hospital keeps the newest models of each study, as many as its people have said.

A sample of a model is durable before the model goes. So a crash at any moment leaves the model,
its sample, or both. Models that have come, go by their numbers: no round of a study that this
hospital takes part in needs more than the newest two. A model from which another study is still to
start stays as well.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from participant.agent import Task
from participant.disk import Storage
from participant.errors import DamagedFile, DiskError, TooLarge
from participant.home import Membership
from participant.model import bounds_name, model_name, models_among, read_stored, sample_of
from participant.pruning.samples import SampledModels
from protocol.board import Board, Posted
from protocol.messages import Statement, read_session
from protocol.programs.refusals import FULL

LEAST = 2  # the newest, and the one before: a round may be lost with a refresh of the key


class Pruned(NamedTuple):
    """A study of which models were let go of; by the rounds after which they were the model.

    left: which of those are there still, since they cannot be read or deleted, or are others than
    their samples. keep: how many are kept.
    """

    study: str
    keep: int
    gone: tuple[int, ...]
    left: tuple[int, ...]


class PruningTask(Task):
    """Beside other tasks: it waits for nothing, says nothing, and lets go of a model at a time.

    It looks at all studies when it begins, and at one when this hospital has stated its next model.
    """

    done = False  # nobody asks: it is beside another, or in an agent that stays
    speaks = False

    def __init__(
        self,
        index: int,
        storage: Storage,
        secret: bytes,
        keep: int,
        tell: Callable[[Pruned], object] = lambda pruned: None,
    ) -> None:
        """index: this hospital's number. secret: as of ``SampledModels``. keep: LEAST or more.

        tell: called in a step, when it is done with a study for the first time.
        """
        if keep < LEAST:
            raise ValueError(f"{LEAST} models or more are kept")
        self._index, self._storage, self._keep, self._tell = index, storage, keep, tell
        self._samples = SampledModels(secret, storage)
        self._board: Board | None = None
        self._opened = dict[str, int]()  # by study, as it was in the beginning
        self._waiting = set[str]()  # studies that are to be looked at
        self._gone, self._left = dict[str, list[int]](), dict[str, set[int]]()
        self._told = set[str]()

    def begin(self, board: Board) -> None:
        """Look at all that lies here."""
        self._board = board
        self._opened = {name: board.opened(name) for name in board.studies}
        self._waiting = set(self._models())

    def wants(self, session: str) -> bool:
        """What is said of models from now on."""
        named = read_session(session)
        return named.kind == "round" and named.number >= self._opened.get(named.study, 0)

    def needs(self, posted: Posted) -> bool:
        return False

    def explains(self, post: object) -> bool:
        """No post is this task's."""
        return True

    def receive(self, posted: Posted, payloads: object) -> None:
        """This hospital stands at another model."""
        if posted.post.sender == self._index and isinstance(posted.post.body, Statement):
            self._waiting.add(read_session(posted.post.session).study)

    def due(self) -> None:
        """Let go of the oldest model that is not kept, of one study; says nothing."""
        for study in sorted(self._waiting):
            left = self._left.setdefault(study, set())
            number = next((k for k in self._unkept(study) if k not in left), None)
            if number is not None:
                if self._let_go(study, number):
                    self._gone.setdefault(study, []).append(number)
                else:
                    left.add(number)
                return
            self._waiting.remove(study)
            self._tell_once(study)

    def _tell_once(self, study: str) -> None:
        gone, left = self._gone.pop(study, []), sorted(self._left[study])
        if (gone or left) and study not in self._told:
            self._told.add(study)
            self._tell(Pruned(study, self._keep, tuple(gone), tuple(left)))

    def _models(self) -> dict[str, list[int]]:
        return models_among(self._storage.names("studies/"))

    def _unkept(self, study: str) -> list[int]:
        """The models of a study that are to go, the oldest first."""
        found = self._models()
        starts = set(self._starts(found))
        return [k for k in sorted(found.get(study, ()))[: -self._keep] if (study, k) not in starts]

    def _starts(self, found: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, int]]:
        """The models from which studies are still to start here."""
        assert self._board is not None
        for name, state in self._board.studies.items():
            if state.study.is_training and not state.is_ended() and not any(found.get(name, ())):
                work = state.study.training
                yield work.start_study, work.start_round

    def _let_go(self, study: str, number: int) -> bool:
        """Keep a sample of a model, durably, then delete it; False if it is left where it is."""
        try:
            return self._is_let_go(study, number)
        except (DamagedFile, TooLarge):
            return False
        except DiskError as error:
            if error.number in FULL:
                raise
            return False

    def _is_let_go(self, study: str, number: int) -> bool:
        model = read_stored(self._storage.read(model_name(study, number)) or b"", study, number)
        kept = self._samples.kept(study, number)
        if kept is not None and kept.model != model.digest:
            return False  # people may have put another one back: which is right, is not known here
        if kept is None:
            self._samples.keep(study, number, sample_of(model))
        self._storage.delete(bounds_name(study, number))
        self._storage.delete(model_name(study, number))
        return True


def pruning_task(member: Membership, keep: int, tell: Callable[[Pruned], object]) -> PruningTask:
    """A member's; raises ValueError unless LEAST or more are kept."""
    return PruningTask(member.index, member.storage, member.model_secret, keep, tell)
