"""The service between the hospitals of a federation: it orders, keeps and adds what they say.

``Aggregation`` is its door for programs, and the command goes through it as well. What is not in
``__all__`` may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aggregator.errors import AggregatorError
    from aggregator.server import Aggregation

__all__ = ["Aggregation", "AggregatorError"]
_HOMES = {"Aggregation": "aggregator.server.aggregation", "AggregatorError": "aggregator.errors"}


def __getattr__(name: str) -> Any:
    """What is exported, imported when it is asked for: the command says what is missing for it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
