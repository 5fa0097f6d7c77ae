# SPDX-License-Identifier: Apache-2.0
"""What a hospital sets: in its SuperNode's ``--node-config``, else in the environment.

    quorate-socket   QUORATE_SOCKET   path of the agent's socket
    quorate-metrics  QUORATE_METRICS  names of the metrics that may leave, separated by commas
    quorate-reveal   QUORATE_REVEAL   average: the server gets the average, which it sends around
    quorate-queries  QUORATE_QUERIES  types of the queries that the app may answer
    quorate-app      QUORATE_APP      SHA-256 of the app's bundle, where the study's plan pins it

Nothing is read from the run's config or from a message: those come from the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from quorate_client.settings import METRICS, SOCKET, HospitalSettings, variable
from quorate_flower.errors import BadSettings

_REVEAL, _QUERIES = "quorate-reveal", "quorate-queries"


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
    given = HospitalSettings(node_config, BadSettings)
    if not (socket := given.text(SOCKET)):
        raise BadSettings(
            "this hospital's SuperNode names no quorate agent: start it with --node-config "
            f"'{SOCKET}=\"PATH\"', or set {variable(SOCKET)}"
        )
    reveal = given.text(_REVEAL) or "nothing"
    if reveal not in ("nothing", "average"):
        raise BadSettings(
            f"{_REVEAL} of this hospital is neither nothing nor average", f"it is {reveal!r}"
        )
    metrics, queries = given.names(METRICS), given.names(_QUERIES)
    return Settings(socket, metrics, reveal == "average", queries, given.app())


def has_socket(node_config: Mapping[str, object]) -> bool:
    """Whether the hospital has an agent. Raises BadSettings."""
    return bool(HospitalSettings(node_config, BadSettings).text(SOCKET))
