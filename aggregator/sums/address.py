"""The address of a scheduler, and the certificates for it."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aggregator.errors import SumsRefused


@dataclass(frozen=True)
class SumsTls:
    """Paths in PEM: who vouches for the scheduler, and what this process shows to it."""

    ca: Path
    cert: Path
    key: Path


def read_place(address: str, tls: SumsTls | None) -> str:
    """The address as Dask takes it.

    Who speaks with a scheduler has it run what he likes, and so has a false scheduler of its
    workers: so there is TLS with certificates on both sides, but for the loopback. Raises
    SumsRefused.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SumsRefused(address, "address", "its port is no number below 65,536") from None
    rest = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("tcp", "tls") or not host or not port or rest:
        raise SumsRefused(address, "address", "it is not tls://HOST:PORT or tcp://HOST:PORT")
    if parts.scheme == "tls" and tls is None:
        raise SumsRefused(address, "certificates", "no certificates are given for it")
    if parts.scheme == "tcp" and tls is not None:
        raise SumsRefused(address, "plain", "certificates are given, and tcp:// would not use them")
    if parts.scheme == "tcp" and not _is_loopback(host):
        raise SumsRefused(address, "plain", f"{host} is not this machine's loopback")
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
