"""The address of a bucket. Keys are no part of it: lists of processes show addresses."""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from aggregator.errors import BlobsRefused

_ADDRESS = re.compile(r"(s3|gs|az)://[a-z0-9][a-z0-9._-]{1,62}((/[A-Za-z0-9_=.-]+)*)/?")
MOST_CHARACTERS = 500
_ENDPOINTS = "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"


def read_address(text: str) -> str:
    """The address without a slash at its end; raises BlobsRefused, which never repeats it."""
    if _fits(text):
        return text.rstrip("/")
    if any(sign in text.partition(":")[2] for sign in "@?:%"):
        raise BlobsRefused("the blobs' address", "secret", "there is more than a bucket's name")
    raise BlobsRefused("the blobs' address", "address", "it does not read")


def _fits(text: str) -> bool:
    found = _ADDRESS.fullmatch(text)
    dots = {".", ".."} & set(text.split("/"))
    return found is not None and not dots and len(text) <= MOST_CHARACTERS


def endpoint(address: str, environ: Mapping[str, str]) -> str | None:
    """The server of S3's kind that the environment names; None: the provider's own.

    Raises BlobsRefused for one without TLS, unless it is on this machine.
    """
    found = next((environ[name] for name in _ENDPOINTS if environ.get(name)), None)
    if found is None or not address.startswith("s3:"):
        return None
    try:
        parts = urlsplit(found)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise BlobsRefused(address, "plain", "the endpoint in the environment is no https:// URL")
    if parts.scheme == "http" and not _is_loopback(host):
        raise BlobsRefused(address, "plain", f"{host} is not this machine's loopback")
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
