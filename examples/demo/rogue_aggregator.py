"""An aggregator that breaks the rules: it closes a round as soon as one hospital has contributed.

It runs the real service with one change, as somebody who broke into it could.
"""

from __future__ import annotations

from aggregator.cli import main

from aggregator.rounds import Rounds

if __name__ == "__main__":
    Rounds.min_contributors = property(lambda self: 1)  # type: ignore[method-assign, assignment]
    main()
