# SPDX-License-Identifier: Apache-2.0
"""What a hospital sets: in its SuperNode's ``--node-config``, else in the environment.

    quorate-socket   QUORATE_SOCKET   path of the agent's socket
    quorate-metrics  QUORATE_METRICS  names of the metrics that may leave, separated by commas
    quorate-reveal   QUORATE_REVEAL   average: the server gets the average, which it sends around
    quorate-queries  QUORATE_QUERIES  types of the queries that the app may answer
    quorate-app      QUORATE_APP      SHA-256 of the app's bundle, where the study's plan pins it

Nothing is read from the run's config or from a message: those come from the server.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from quorate_flower.errors import BadSettings

SOCKET = "quorate-socket"


@dataclass(frozen=True)
class Settings:
    """The settings of one hospital."""

    socket: str
    metrics: frozenset[str] = frozenset()
    reveals_average: bool = False
    queries: frozenset[str] = frozenset()
    app: str = ""


def read_settings(node_config: Mapping[str, object]) -> Settings:
    """Raises BadSettings."""
    if not (socket := setting(node_config, SOCKET)):
        raise BadSettings(
            "this hospital's SuperNode names no quorate agent: start it with --node-config "
            f"'{SOCKET}=\"PATH\"', or set QUORATE_SOCKET"
        )
    reveal = setting(node_config, "quorate-reveal") or "nothing"
    if reveal not in ("nothing", "average"):
        raise BadSettings(
            "quorate-reveal of this hospital is neither nothing nor average", f"it is {reveal!r}"
        )
    names = (_names(setting(node_config, f"quorate-{what}")) for what in ("metrics", "queries"))
    app = setting(node_config, "quorate-app")
    return Settings(socket, next(names), reveal == "average", next(names), app)


def setting(node_config: Mapping[str, object], name: str) -> str:
    """One setting's text, empty if it is not there."""
    found = node_config.get(name, os.environ.get(name.upper().replace("-", "_"), ""))
    return str(found).strip()


def _names(text: str) -> frozenset[str]:
    return frozenset(name for part in text.split(",") if (name := part.strip()))
