"""What may have been meant by a word too many on the command line."""

from typing import Any

_SAID = "unexpected extra argument"
_MEANT = {
    "contribute": "The terms are given as --federation FILE: contribute NUMBERS --federation FILE "
    "--study NAME",
    "terms new": "Each card is given with a --member of its own: --member mary.toml --member "
    "river.toml",
    "terms succeed": "Each change is given with an option of its own: --add mary.toml --add "
    "river.toml --remove Northgate",
    "study new": "Each hospital is given with a --member of its own: --member Riverside",
    "study propose": "The plan comes first, then the terms: study propose FILE FEDERATION",
    "study show": "The study comes first, then the terms: study show NAME FEDERATION",
    "study approve": "The study comes first, then the terms: study approve NAME FEDERATION",
    "key restore": "The backup comes first, then the terms: key restore FILE FEDERATION",
    "verify": "The words of a fingerprint are given between quotation marks",
    "init": "A name of several words is given between quotation marks, a data folder as --home",
}
_ELSE = "After the command come the terms alone. A data folder is given as --home FOLDER"


def hint(error: Exception) -> None:
    """Add to a usage error about a word too many, and to no other, what may help."""
    message = getattr(error, "message", None)
    if isinstance(message, str) and _SAID in message:
        context: Any = getattr(error, "ctx", None)
        words = str(getattr(context, "command_path", "")).split()
        meant = _MEANT.get(" ".join(words[-2:])) or _MEANT.get("".join(words[-1:]), _ELSE)
        error.message = f"{message}. {meant}"  # type: ignore[attr-defined]
