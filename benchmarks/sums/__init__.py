"""Sums of long vectors: in the aggregator's process, and by workers of a Dask scheduler."""
