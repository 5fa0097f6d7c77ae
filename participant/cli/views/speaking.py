"""The one place where an error becomes words and an exit code."""

import errno
from pathlib import Path
from typing import Any, TypeGuard

import typer
from typer.core import TyperGroup

from keyshare.errors import KeyshareError
from participant.app import keep_traceback
from participant.cli.sentences import Context, Sentence, describe
from participant.cli.views.extra_words import hint
from participant.cli.views.terminal import say
from participant.errors import BadApp, DiskError, Interrupted, NotAgreed, ParticipantError
from participant.home import home_folder
from protocol.errors import ProtocolError


class SpeakingGroup(TyperGroup):
    """Says in two lines what went wrong and what to do; no traceback reaches the terminal."""

    def invoke(self, ctx: Any) -> Any:
        context = ctx.obj = Context()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _end(Interrupted(2), context) from None
        except typer.Abort:
            raise _end(NotAgreed(), context) from None
        except BaseException as error:
            if _is_the_command_lines(error):
                hint(error)
                raise
            raise _end(error, context) from None


def _is_the_command_lines(error: BaseException) -> TypeGuard[Exception]:
    """Whether it is about usage, or an exit."""
    return hasattr(error, "exit_code") and not isinstance(error, ParticipantError)


def sentence_of(error: BaseException, context: Context) -> Sentence:
    """What is said of any error; one that is none of ours leaves its traceback in a file."""
    if isinstance(error, OSError) and not isinstance(error, ParticipantError):
        error = _refused(error)  # of a path that nothing else has named
    if isinstance(error, MemoryError):
        error = DiskError(Path("this machine"), "not enough memory", errno.ENOMEM)
    if isinstance(error, ParticipantError | ProtocolError | KeyshareError):
        return describe(error, context)
    if isinstance(error, Exception):
        return _internal(error, context)
    # Nothing of ours raises one: the app's, as it is read.
    reason = f"{type(error).__name__} was raised while it was read"
    return describe(BadApp("what it returned", reason), context)


def _refused(error: OSError) -> DiskError:
    """What the system says of a path, or of what has none."""
    name = error.filename if isinstance(error.filename, str | Path) else "this machine"
    return DiskError.of(Path(name), error)


def _end(error: BaseException, context: Context) -> typer.Exit:
    said = sentence_of(error, context)
    say(f"quorate-participant: {said.what}", err=True)
    if said.remedy:
        say(f"  {said.remedy}", err=True)
    return typer.Exit(said.exit_code)


def _internal(error: Exception, context: Context) -> Sentence:
    try:
        details = str(keep_traceback(error, (context.home or home_folder(None)) / "errors"))
    except (ParticipantError, OSError):
        details = "no file, since none could be written"
    return Sentence(
        f"internal error ({type(error).__name__}), details in {details}",
        "nothing that was stored is lost. Please report it with that file, once read",
    )
