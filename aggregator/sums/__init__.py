"""Sums on the workers of a Dask scheduler. ``distributed`` is imported only where one is used."""

from aggregator.sums.address import SumsTls, read_place
from aggregator.sums.place import summation_at
