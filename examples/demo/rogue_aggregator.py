"""An aggregator that breaks the rules: it asks for the decryption of one hospital's update.

It runs the real service with one change, as somebody who broke into it could: a round is closed
as soon as anybody has contributed, and its "sum" is that of the first one alone.
"""

from __future__ import annotations

from typing import Any

from aggregator import service
from aggregator.cli import main
from aggregator.rounds import Rounds
from aggregator.sums import Selection, select


def select_first(*arguments: Any) -> Selection:
    """The first contribution of those that could be added."""
    chosen = select(*arguments).chosen
    first = min(chosen)
    return Selection({first: chosen[first]}, {})


if __name__ == "__main__":
    Rounds.min_contributors = property(lambda self: 1)  # type: ignore[method-assign, assignment]
    service.select = select_first
    main()
