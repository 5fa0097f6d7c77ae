# SPDX-License-Identifier: Apache-2.0
"""Which versions of NVFlare this package was written for."""

from quorate_client.versions import require_version


def check_nvflare(found: str | None = None) -> None:
    """Raise WrongVersion, if ``found`` (else the installed version) is none of 2.9 to 2.x."""
    require_version("quorate_nvflare", "nvflare", "2.9", "3", found)
