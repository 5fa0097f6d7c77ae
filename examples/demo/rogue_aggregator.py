"""An aggregator that breaks the rules: it asks for the decryption of one hospital's update.

It runs the real service with one change, as somebody who broke into it could: a round is closed
as soon as anybody has contributed, and its "sum" is that of the first one alone.
"""

from unittest.mock import patch

from aggregator.cli import main
from aggregator.rounds import HybridRound


class FirstAlone(HybridRound):
    """A round whose sum holds its first contribution and no other one."""

    def step(self, is_due: bool) -> bool:
        """Close as soon as there is anything to add."""
        return super().step(is_due or bool(self.fit))

    def _choose(self) -> bool:
        self._chosen = frozenset(sorted(self.fit)[:1])
        return True


if __name__ == "__main__":
    with patch("aggregator.rounds.summing.HybridRound", FirstAlone):
        main()
