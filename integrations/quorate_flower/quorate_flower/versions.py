# SPDX-License-Identifier: Apache-2.0
"""Which versions of Flower this package was written for."""

import re
from importlib.metadata import PackageNotFoundError, version

LEAST, BELOW = "1.40", "2"


class WrongFlower(ImportError):
    """Flower is missing, too old or too new."""


def check_flower(found: str | None = None) -> None:
    """Raise WrongFlower, if ``found`` (else the installed version) is none of 1.40 to 1.x."""
    found = found or _installed()
    numbers = tuple(map(int, re.findall(r"\d+", found)[:2]))
    least = tuple(map(int, LEAST.split(".")))
    if least <= numbers < (int(BELOW),):
        return
    age = "old" if numbers < least else "new"
    raise WrongFlower(
        f"flwr {found} is too {age} for quorate_flower, which needs {LEAST} or later and no "
        f"{BELOW}.x: pip install 'flwr>={LEAST},<{BELOW}'"
    )


def _installed() -> str:
    try:
        return version("flwr")
    except PackageNotFoundError:
        raise WrongFlower(
            f"quorate_flower needs Flower: pip install 'flwr>={LEAST},<{BELOW}'"
        ) from None
