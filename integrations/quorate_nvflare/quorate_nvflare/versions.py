# SPDX-License-Identifier: Apache-2.0
"""Which versions of NVFlare this package was written for."""

import re
from importlib.metadata import PackageNotFoundError, version

LEAST, BELOW = "2.9", "3"


class WrongNVFlare(ImportError):
    """NVFlare is missing, too old or too new."""


def check_nvflare(found: str | None = None) -> None:
    """Raise WrongNVFlare, if ``found`` (else the installed version) is none of 2.9 to 2.x."""
    found = found or _installed()
    numbers = tuple(map(int, re.findall(r"\d+", found)[:2]))
    least = tuple(map(int, LEAST.split(".")))
    if least <= numbers < (int(BELOW),):
        return
    age = "old" if numbers < least else "new"
    raise WrongNVFlare(
        f"nvflare {found} is too {age} for quorate_nvflare, which needs {LEAST} or later and no "
        f"{BELOW}.x: pip install 'nvflare>={LEAST},<{BELOW}'"
    )


def _installed() -> str:
    try:
        return version("nvflare")
    except PackageNotFoundError:
        raise WrongNVFlare(
            f"quorate_nvflare needs NVFlare: pip install 'nvflare>={LEAST},<{BELOW}'"
        ) from None
