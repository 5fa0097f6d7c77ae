"""Whole blobs in an object store: S3, Google Cloud Storage, Azure.

It needs the extra ``objects``: ``open_bucket`` imports what uses that, and nothing else does.
"""

from aggregator.objects.address import MOST_CHARACTERS, read_address
from aggregator.objects.opening import open_bucket
