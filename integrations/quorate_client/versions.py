# SPDX-License-Identifier: Apache-2.0
"""Which versions of a framework a package of ours was written for."""

import re
from importlib.metadata import PackageNotFoundError, version


class WrongVersion(ImportError):
    """A framework is missing, too old or too new for the package that is imported."""


def require_version(
    package: str, framework: str, least: str, below: str, found: str | None = None
) -> None:
    """Raise WrongVersion, if ``found`` (else the installed one) is not from least to below.

    package: ours. framework: its distribution. least: as ``1.40``. below: a major number, as ``2``.
    """
    remedy = f"pip install '{framework}>={least},<{below}'"
    try:
        found = found or version(framework)
    except PackageNotFoundError:
        raise WrongVersion(f"{package} needs {framework}: {remedy}") from None
    numbers = tuple(map(int, re.findall(r"\d+", found)[:2]))
    due = tuple(map(int, least.split(".")))
    if due <= numbers < (int(below),):
        return
    age = "old" if numbers < due else "new"
    raise WrongVersion(
        f"{framework} {found} is too {age} for {package}, which needs {least} or later and no "
        f"{below}.x: {remedy}"
    )
