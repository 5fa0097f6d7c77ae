"""The command ``quorate-aggregator``: what is typed, what is said, what is logged."""
