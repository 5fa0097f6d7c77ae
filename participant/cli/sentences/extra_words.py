"""What may have been meant by a word too many on the command line."""

from typing import Any

_SAID = "unexpected extra argument"
_MEANT = {
    "contribute": "The terms are given as --federation FILE: contribute NUMBERS --federation FILE "
    "--round NAME",
    "new": "Each card is given with a --member of its own: --member mary.toml --member river.toml",
    "restore": "The backup comes first, then the terms: key restore FILE FEDERATION",
    "verify": "The words of a fingerprint are given between quotation marks",
    "init": "A name of several words is given between quotation marks, a data folder as --home",
}
_ELSE = "After the command come the terms alone. A data folder is given as --home FOLDER"


def hint(error: Exception) -> None:
    """Add to a usage error about a word too many, and to no other, what may help."""
    message = getattr(error, "message", None)
    if isinstance(message, str) and _SAID in message:
        command: Any = getattr(getattr(error, "ctx", None), "command", None)
        meant = _MEANT.get(str(getattr(command, "name", "")), _ELSE)
        error.message = f"{message}. {meant}"  # type: ignore[attr-defined]
