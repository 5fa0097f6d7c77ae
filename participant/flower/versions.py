"""Which versions of Flower an app's folder is run with."""

import re
from importlib.metadata import PackageNotFoundError, version

from participant.errors import BadApp

LEAST, BELOW = (1, 40), (2, 0)
KNOWN = "1.42.0"  # the newest that this was tried with
_REMEDY = "pip install 'quorate-fl[flower]'"


def check_flower(app: str) -> str:
    """The version that is installed; raises BadApp where it is none, too old or too new."""
    least, below = (".".join(map(str, one)) for one in (LEAST, BELOW))
    try:
        found = version("flwr")
    except PackageNotFoundError:
        raise BadApp(app, f"it is a Flower app, and flwr is not installed: {_REMEDY}") from None
    numbers = tuple(map(int, re.findall(r"\d+", found)[:2]))
    if not LEAST <= numbers < BELOW:
        age = "old" if numbers < LEAST else "new"
        reason = f"flwr {found} is too {age}, {least} or later and below {below} is needed"
        raise BadApp(app, f"{reason}: {_REMEDY}")
    return found
