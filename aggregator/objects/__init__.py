"""Whole blobs in an object store: S3, Google Cloud Storage, Azure.

``Bucket`` needs the extra ``objects``, so that nothing imports it before it is asked for.
"""

from aggregator.objects.address import MOST_CHARACTERS, read_address
