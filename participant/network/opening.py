"""The object store that people have named, where what speaks with one is installed."""

from __future__ import annotations

from participant.errors import BadBlobSource
from participant.network.blob_source import read_source
from participant.network.direct import DirectStore


def open_store(blobs_from: str | None) -> DirectStore | None:
    """Nothing is asked yet; None where none is named. Raises BadBlobSource and BadProxy."""
    if blobs_from is None:
        return None
    source = read_source(blobs_from)
    try:
        from participant.network.store_client import StoreClient
    except ImportError:
        raise BadBlobSource("httpcore is not installed: pip install 'quorate-fl[direct]'") from None
    return DirectStore(StoreClient(source))
