# SPDX-License-Identifier: Apache-2.0
"""Which versions of Flower this package was written for."""

from quorate_client.versions import require_version


def check_flower(found: str | None = None) -> None:
    """Raise WrongVersion, if ``found`` (else the installed version) is none of 1.40 to 1.x."""
    require_version("quorate_flower", "flwr", "1.40", "2", found)
