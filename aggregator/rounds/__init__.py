"""A round at the aggregator: when it opens and closes, and the sum of what was contributed."""
