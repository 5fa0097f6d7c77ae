"""The one place where an error becomes words and an exit code."""

import errno
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from keyshare.errors import KeyshareError
from participant.app import keep_traceback
from participant.cli.sentences import Context, describe, hint
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
        except (ParticipantError, ProtocolError, KeyshareError) as error:
            raise _end(error, context) from None
        except KeyboardInterrupt:
            raise _end(Interrupted(2), context) from None
        except typer.Abort:
            raise _end(NotAgreed(), context) from None
        except OSError as error:  # of a path that nothing else has named
            raise _end(_refused(error), context) from None
        except MemoryError:
            lacking = DiskError(Path("this machine"), "not enough memory", errno.ENOMEM)
            raise _end(lacking, context) from None
        except Exception as error:
            if hasattr(error, "exit_code"):  # the command line's own: usage, exit
                hint(error)
                raise
            raise _internal(error, context) from None
        except BaseException as error:  # nothing of ours raises one: the app's, as it is read
            reason = f"{type(error).__name__} was raised while it was read"
            raise _end(BadApp("what it returned", reason), context) from None


def _refused(error: OSError) -> DiskError:
    """What the system says of a path, or of what has none."""
    name = error.filename if isinstance(error.filename, str | Path) else "this machine"
    return DiskError.of(Path(name), error)


def _end(error: Exception, context: Context) -> typer.Exit:
    said = describe(error, context)
    say(f"quorate-participant: {said.what}", err=True)
    if said.remedy:
        say(f"  {said.remedy}", err=True)
    return typer.Exit(said.exit_code)


def _internal(error: Exception, context: Context) -> typer.Exit:
    try:
        details = str(keep_traceback(error, (context.home or home_folder(None)) / "errors"))
    except (ParticipantError, OSError):
        details = "no file, since none could be written"
    name = type(error).__name__
    say(f"quorate-participant: internal error ({name}), details in {details}", err=True)
    say("  nothing that was stored is lost. Please report it with that file, once read", err=True)
    return typer.Exit(1)
