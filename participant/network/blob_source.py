"""The object store of the aggregator, as a hospital's people name it: where it may be asked.

An aggregator gives a query alone. So it leads nobody to another machine than the one that people
have named, and to no other path there than that of the blob.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from participant.errors import BadBlobSource
from protocol.terms import is_host

_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")
MOST_CHARACTERS = 1_000


@dataclass(frozen=True)
class BlobSource:
    """An origin, and the path below which blobs lie, without a slash at its end."""

    scheme: str
    host: str  # without brackets
    port: int
    path: str

    @property
    def name(self) -> str:
        """How people are told of it."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """As in a request's Host: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def target(self, digest: bytes, query: str) -> str:
        """Path and query of a request for a blob."""
        name = digest.hex()
        return f"{self.path}/{name[:2]}/{name}?{query}"


_PORTS = {"https": 443, "http": 80}


def read_source(text: str) -> BlobSource:
    """https://HOST[:PORT]/PATH; http:// on this machine alone. Raises BadBlobSource."""
    if not text.isascii() or not text.isprintable() or len(text) > MOST_CHARACTERS:
        raise BadBlobSource("it is no URL")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadBlobSource("it is no URL") from None
    if parts.scheme not in _PORTS or not host:
        raise BadBlobSource("it does not begin with https:// and a host")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise BadBlobSource("it has a user, a query or a fragment, which none can have")
    if not is_host(host):
        raise BadBlobSource("its host is neither a name nor an address")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise BadBlobSource("its path is none that a bucket has")
    if parts.scheme == "http" and not _is_loopback(host):
        raise BadBlobSource("http:// is for this machine alone: write https://")
    return BlobSource(parts.scheme, host, port or _PORTS[parts.scheme], path)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
