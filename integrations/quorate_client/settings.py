# SPDX-License-Identifier: Apache-2.0
"""What a hospital sets for a framework's app: in the framework's own settings, or around it.

    quorate-socket   QUORATE_SOCKET   path of the agent's socket
    quorate-metrics  QUORATE_METRICS  names of the metrics that may leave, separated by commas
    quorate-app      QUORATE_APP      SHA-256 of the app, where the study's plan pins it

The second names are those in the environment, which count where the framework's settings say
nothing. What the server sends is never asked.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

SOCKET, METRICS, APP = "quorate-socket", "quorate-metrics", "quorate-app"
_HASH = re.compile(r"([0-9a-f]{64})?")


@dataclass(frozen=True)
class HospitalSettings:
    """Settings by name.

    found: in the framework's own settings. wrong: what is raised for one that makes no sense, with
    a text that names it, says what to write, and does not repeat what is there.
    """

    found: Mapping[str, object]
    wrong: type[Exception]

    def text(self, name: str) -> str:
        """One setting, empty if it is not there. Raises ``wrong``."""
        said = self.found.get(name, os.environ.get(variable(name), ""))
        if not isinstance(said, str):
            raise self.wrong(f"this hospital's {name} is no text: write it in quotes")
        return said.strip()

    def names(self, name: str) -> frozenset[str]:
        """The names that are separated by commas. Raises ``wrong``."""
        return frozenset(one for part in self.text(name).split(",") if (one := part.strip()))

    def app(self) -> str:
        """The app's SHA-256 in hex, or nothing. Raises ``wrong``."""
        if not _HASH.fullmatch(said := self.text(APP)):
            raise self.wrong(
                f"this hospital's {APP} is no SHA-256: write the 64 digits, 0 to 9 and a to f, "
                "that the study's plan has"
            )
        return said


def variable(name: str) -> str:
    """A setting's name in the environment."""
    return name.upper().replace("-", "_")
