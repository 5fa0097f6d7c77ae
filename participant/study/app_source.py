"""An app as it is given to a study, before any of its code has run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from participant.app import (
    App,
    AppApart,
    AppElsewhere,
    AppFile,
    Show,
    Turns,
    TurnsBeside,
    app_of,
    config_of,
    hash_of_app,
)
from participant.disk import Storage, check_path
from participant.errors import BadApp, PathTooLong
from participant.program import AppAtSocket, Words
from protocol.board import Study

SOCKET = "unix:"  # in place of an app: a socket at this path, to which a program connects


@dataclass(frozen=True)
class Surroundings:
    """What an app in a file is run in.

    errors: the folder where the tracebacks of its errors go. variables: of the environment, for the
    app alone. user: of the machine, as whom it runs; None for this one. show: each line that it
    prints. wake: called, in another thread, when the app's process has answered. storage: where it
    is kept what programs at a socket begin with; none where nothing is run. words: of errors, for
    these programs. free: called with a socket's path before it is listened at.
    """

    errors: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str | None = None
    show: Show = lambda line, is_error: None
    wake: Callable[[], None] = lambda: None
    storage: Storage | None = None
    words: Words = lambda error: (str(error), "")
    free: Callable[[Path], None] = lambda path: None


@dataclass
class GivenApp:
    """``name``: its path, or its class. ``digest``: 32 bytes, empty for what is no file."""

    name: str
    digest: bytes
    _make: Callable[[Study], App]
    _wake: Callable[[], None] = lambda: None
    _made: App | None = None
    _is_closed: bool = False

    @property
    def identity(self) -> bytes:
        """What tells it from another app: its SHA-256, or else its name."""
        return self.digest or self.name.encode("utf-8", "surrogateescape")

    @property
    def is_at_socket(self) -> bool:
        """Whether it is a path to which programs of the hospital's own connect."""
        return not self.digest and self.name.startswith(SOCKET)

    @property
    def can_be_kept(self) -> bool:
        """Whether ``given_app`` finds it again by its name."""
        return bool(self.digest) or self.is_at_socket

    def load(self, study: Study) -> App:
        """The app, whose code runs at the first call; raises BadApp, NoAppUser."""
        if self._made is not None:
            return self._made
        made = self._begun(study)
        if isinstance(made, AppElsewhere):
            made.start()
        return made

    def prepare(self, study: Study) -> None:
        """Begin with the app of a file, in any thread, so that ``load`` and its model are there.

        For one that ``check_app`` has passed; raises BadApp, NoAppUser, and Stopped once closed.
        """
        made = self._begun(study)
        if isinstance(made, AppElsewhere):
            made.prepare(config_of(study, 0))

    def _begun(self, study: Study) -> App:
        self._made = made = self._make(study)
        if self._is_closed:  # in another thread, before there was anything to close
            self.close()
        return made

    def turns(self) -> Turns:
        """How the calls of what was loaded are done."""
        made = self._made
        return TurnsBeside(made, self._wake) if isinstance(made, AppElsewhere) else Turns()

    def close(self, error: Exception | None = None) -> None:
        """End its process, if it has one of its own, in any thread; none is begun any more.

        error: what has ended training.
        """
        self._is_closed = True
        if isinstance(self._made, AppElsewhere):
            self._made.close(error)

    def finish(self, error: Exception | None = None) -> Path | None:
        """Training is over, and programs at the socket of that path may still ask, if it has one.

        It does not end by itself then.
        """
        if not isinstance(self._made, AppAtSocket) or self._is_closed:
            return None
        self._made.finish(error)
        return Path(self.name.removeprefix(SOCKET))


def given_app(source: App | str | Path, around: Surroundings) -> GivenApp:
    """A file or a folder, to be run in a process of its own, or an object, called in this one.

    Or ``unix:PATH``, for a program of the hospital's own, which connects to a socket at that path.
    Raises what ``hash_of_app`` raises, and BadApp for a path that no socket can have.
    """
    if not isinstance(source, str | Path):
        return GivenApp(type(source).__name__, b"", lambda study: app_of(source, around.errors))
    if connects := str(source).startswith(SOCKET):
        path, digest = _socket_path(str(source)), b""
    else:
        path = Path(source).absolute()
        digest = hash_of_app(path)
    file = AppFile(path, around.variables, around.user, digest)

    def apart(study: Study) -> App:
        if connects:
            assert around.storage is not None
            place = around.storage, around.show, around.wake, around.words, around.free
            return AppAtSocket(file, study, *place)
        about = {"federation": study.terms.name, "rounds": study.rounds}
        return AppApart(file, around.errors, about, around.show)

    return GivenApp(f"{SOCKET * connects}{path}", digest, apart, around.wake)


def _socket_path(source: str) -> Path:
    named = source.removeprefix(SOCKET)
    if not named:
        raise BadApp(source, "it names no path: give unix:PATH")
    try:
        return check_path(Path(named).absolute())
    except PathTooLong as error:
        reason = f"a socket's path has {error.limit} bytes at most, and this one has more"
        raise BadApp(source, reason) from None
