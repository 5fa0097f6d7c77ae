"""Requests to an object store, each for one blob; they block. Needs the extra ``direct``."""

import base64
import contextlib
import os
import ssl
import time
from collections.abc import Iterator, Mapping

import httpcore

from participant.errors import BadProxy, StoreRefuses
from participant.network.blob_source import BlobSource
from participant.network.proxy import Proxy, find_proxy
from protocol.messages import blob_name

_TIMEOUTS = {"connect": 10.0, "read": 20.0, "write": 20.0, "pool": 60.0}
_WHOLE_SECONDS = 120.0  # for an answer that comes byte by byte
_CONNECTIONS = 4
_FAILURES = (
    httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError,
    httpcore.TimeoutException, httpcore.UnsupportedProtocol, OSError,
)  # fmt: skip
_NONE: Mapping[bytes | str, bytes | str] = {}


class StoreClient:
    """Asks the store that people have named, over the proxy that leads to it; for any thread."""

    def __init__(self, source: BlobSource) -> None:
        """Nothing is asked yet. Raises BadProxy."""
        self._source = source
        proxy = find_proxy(source.host, source.port, os.environ)
        self._pool = httpcore.ConnectionPool(
            ssl.create_default_context(),
            proxy=None if proxy is None else _as_httpcore(proxy),
            max_connections=_CONNECTIONS,
        )

    def close(self) -> None:
        """End its connections."""
        self._pool.close()

    def get(self, digest: bytes, size: int, query: str) -> bytes:
        """A blob, whose bytes have its name; raises StoreRefuses."""
        deadline, data = time.monotonic() + _WHOLE_SECONDS, bytearray()
        with self._asked("GET", digest, query) as answer:
            for piece in answer.iter_stream():
                data += piece
                if len(data) > size:
                    break
                if time.monotonic() > deadline:
                    raise StoreRefuses(self._source.name, "it is too slow")
        if len(data) != size or blob_name(blob := bytes(data)) != digest:
            raise StoreRefuses(self._source.name, "it gives other bytes than the blob's")
        return blob

    def put(self, digest: bytes, data: bytes, query: str) -> None:
        """Upload a blob; raises StoreRefuses."""
        said = base64.b64encode(digest).decode()
        headers: Mapping[bytes | str, bytes | str] = {
            "content-length": str(len(data)),
            "x-amz-checksum-sha256": said,
        }
        with self._asked("PUT", digest, query, headers, data):
            pass

    @contextlib.contextmanager
    def _asked(
        self,
        method: str,
        digest: bytes,
        query: str,
        headers: Mapping[bytes | str, bytes | str] = _NONE,
        data: bytes = b"",
    ) -> Iterator[httpcore.Response]:
        """The store's answer, if it is one of consent. Redirections may lead anywhere."""
        source = self._source
        target, host = source.target(digest, query).encode("ascii"), source.host.encode("ascii")
        url = httpcore.URL(scheme=source.scheme, host=host, port=source.port, target=target)
        said = {"host": source.authority, **headers}
        timeouts = {"timeout": _TIMEOUTS}
        try:
            with self._pool.stream(
                method, url, headers=said, content=data or None, extensions=timeouts
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise StoreRefuses(source.name, f"it answers {answer.status}")
                yield answer
        except _FAILURES as error:
            raise StoreRefuses(source.name, _words(error)) from None


def _as_httpcore(proxy: Proxy) -> httpcore.Proxy:
    if proxy.scheme.startswith("socks4"):
        raise BadProxy(proxy.source, "SOCKS 4 does not lead to an object store")
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    login = None if proxy.user is None else (proxy.user, proxy.password)
    return httpcore.Proxy(f"{proxy.scheme}://{host}:{proxy.port}", auth=login)


def _words(error: Exception) -> str:
    """What went wrong. A library's own words may have the query, with which others could ask."""
    if isinstance(error, httpcore.TimeoutException):
        return "it gives no answer in time"
    if isinstance(error, httpcore.ProxyError):
        return "the proxy does not lead there"
    if isinstance(error, httpcore.ProtocolError):
        return "it speaks no HTTP"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its TLS certificate is not trusted"
    return "it cannot be reached"
