"""A bucket, where what speaks with object stores is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregator.errors import BlobsRefused

if TYPE_CHECKING:
    from aggregator.objects.bucket import Bucket


def open_bucket(place: str) -> Bucket:
    """place: a bucket's address with the prefix. Nothing is asked yet. Raises BlobsRefused."""
    try:
        from aggregator.objects.bucket import Bucket
    except ImportError:
        raise BlobsRefused(place, "extra", "obstore is not installed") from None
    return Bucket(place)
