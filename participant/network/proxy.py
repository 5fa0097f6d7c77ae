"""Which proxy leads to the aggregator, as this machine's environment says.

As other programs read it: a name in small letters comes before the same in capitals, and an empty
value counts as none. ``HTTP_PROXY`` is for http:// alone, so that it is not used.

What a variable holds may contain a password. No error has it, only the variable's name.
"""

import ipaddress
import re
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from participant.errors import BadProxy
from protocol.terms import is_host

VARIABLES = ("wss_proxy", "https_proxy", "socks_proxy", "all_proxy")  # the first one that is set
NOT_USED = "http_proxy"
EXEMPT = "no_proxy"
SYSTEM = "this system's network settings"

_SCHEMES = {  # as written: as it is spoken
    "http": "http", "https": "https", "socks": "socks5h", "socks4": "socks4", "socks4a": "socks4a",
    "socks5": "socks5", "socks5h": "socks5h",
}  # fmt: skip
_PORTS = {"http": 80, "https": 443}
_SOCKS_PORT = 1080
_MOST_OF_LOGIN = 255  # bytes of a user's name and of a password in SOCKS 5, RFC 1929
# What a browser would run to find its proxy: the script's address, or what it gives.
_SCRIPT = re.compile(r"(pac\+|file:|data:|(direct|proxy|socks5?|https?)(\s|;|$))", re.IGNORECASE)
_SCRIPT_FILE = re.compile(r"\.(pac|dat)(\?.*)?", re.IGNORECASE)
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f]*(:[0-9A-Fa-f.]*){2,}")


@dataclass(frozen=True)
class Proxy:
    """A proxy, and ``source``, the variable that names it; a host without brackets."""

    source: str
    scheme: str
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """How people are told of it, without what may be secret."""
        return f"the proxy {_in_url(self.host)}:{self.port} (from {self.source})"

    @property
    def speaks_socks(self) -> bool:
        """Whether it is a SOCKS proxy, of whatever version."""
        return self.scheme.startswith("socks")

    def address(self) -> str:
        """The proxy as a URL, with user and password: for the library that connects, no other."""
        login = ""
        if self.user is not None:
            login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"
        return f"{self.scheme}://{login}{_in_url(self.host)}:{self.port}"


def find_proxy(host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy to the aggregator at ``host`` and ``port``; None if there is to be none.

    host: without brackets. This machine itself is never reached through a proxy. Raises BadProxy.
    """
    if _is_loopback(host):
        return None
    source, value = _setting(environment)
    if not value:
        return _of_system(host)
    _, exempt = _value(EXEMPT, environment)
    return None if is_exempt(host, port, exempt) else parse_proxy(source, value)


def why_unused(host: str, environment: Mapping[str, str]) -> str:
    """Where ``find_proxy`` finds none: which variable was perhaps meant to name one, in a sentence.

    Empty if there is no such variable.
    """
    if _is_loopback(host):
        return ""
    source, value = _setting(environment)
    if value:
        exempting, _ = _value(EXEMPT, environment)
        return f"{exempting} names this address, so that {source} is not used for it"
    source, value = _value(NOT_USED, environment)
    return f"{source} counts for http:// alone: set HTTPS_PROXY for the aggregator" if value else ""


def is_exempt(host: str, port: int, exempt: str) -> bool:
    """Whether a ``NO_PROXY`` names the host: ``*``, a name (and those below it), host:port, a net.

    A net (10.0.0.0/8) holds addresses only, not names that lead to one.
    """
    return any(_covers(entry, host, port) for entry in re.split(r"[,;\s]+", exempt) if entry)


def parse_proxy(source: str, value: str) -> Proxy:
    """A proxy from a variable's value: [scheme://][user[:password]@]host[:port][/].

    Raises BadProxy, which never quotes the value.
    """
    place = value.rpartition("@")[2]
    if _SCRIPT.match(value) or _SCRIPT_FILE.search(place):
        raise BadProxy(source, "it belongs to a proxy script (PAC), and no script is run here")
    if value[0] in "\"'":
        raise BadProxy(source, "it begins with a quotation mark")
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest = "http", value
    spoken = _SCHEMES.get(scheme.lower())
    if spoken is None:
        raise BadProxy(source, f"what stands before :// is none of {', '.join(_SCHEMES)}")
    login, _, place = rest.rpartition("@")
    host, port = _place(source, place.removesuffix("/"))
    port = port or _PORTS.get(spoken, _SOCKS_PORT)
    if not login:
        return Proxy(source, spoken, host, port)
    user, password = _login(source, spoken, login)
    return Proxy(source, spoken, host, port, user, password)


def _setting(environment: Mapping[str, str]) -> tuple[str, str]:
    """The first of the variables that has a value, and that; empty if there is none."""
    found = (_value(name, environment) for name in VARIABLES)
    return next(((source, value) for source, value in found if value), ("", ""))


def _value(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """The variable that counts of the two forms of a name, and its value."""
    source = name if name in environment else name.upper()
    return source, environment.get(source, "").strip()


def _of_system(host: str) -> Proxy | None:
    """What the system's settings say where they are no variables."""
    if sys.platform != "darwin" or urllib.request.proxy_bypass(host):
        return None
    found = urllib.request.getproxies()
    value = found.get("https") or found.get("socks", "").replace("http://", "socks5h://")
    return parse_proxy(SYSTEM, value) if value else None


def _place(source: str, place: str) -> tuple[str, int]:
    """Host and port, 0 where none is given."""
    if any(sign in place for sign in "/?#"):
        raise BadProxy(source, "something follows host and port, or a slash is missing in ://")
    if _BARE_IPV6.fullmatch(place):
        raise BadProxy(source, "an IPv6 address stands in square brackets: [2001:db8::1]:8080")
    found = re.fullmatch(r"(?:\[([^]]*)\]|([^:]*))(?::(.*))?", place, re.DOTALL)
    if found is None:
        raise BadProxy(source, "its host is neither a name nor an address")
    inside, outside, digits = found.groups()
    host = inside if inside is not None else _ascii(source, outside)
    # A name with underscores, which is none of a host by the book, may lead to one all the same.
    if not is_host(host.replace("_", "-")) or (":" in host) != (inside is not None):
        raise BadProxy(source, "its host is neither a name nor an address")
    if not digits:
        return host, 0
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not 1 <= int(digits) <= 65_535:
        raise BadProxy(source, "its port is no number from 1 to 65535")
    return host, int(digits)


def _ascii(source: str, host: str) -> str:
    """A name as DNS knows it."""
    if not host:
        raise BadProxy(source, "it has no host")
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        pass  # which would quote the value
    raise BadProxy(source, "its host is no name that DNS can have")


def _login(source: str, scheme: str, login: str) -> tuple[str, str]:
    user, _, password = login.partition(":")
    try:
        found = unquote(user, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError:
        found = None
    if found is None:  # raised here, so that nothing that quotes the password hangs on it
        raise BadProxy(source, "its user or password is not UTF-8 once its % signs are read")
    if not scheme.startswith("socks") and ":" in found[0]:
        raise BadProxy(source, "its user has a colon, which no user of an HTTP proxy can have")
    if scheme.startswith("socks5") and not all(map(_fits_socks, found)):
        said = f"1 to {_MOST_OF_LOGIN} characters of ASCII each"
        raise BadProxy(source, f"the user and the password of a SOCKS 5 proxy have {said}")
    if scheme.startswith("socks4") and not (_fits_socks(found[0]) and not found[1]):
        raise BadProxy(source, "a SOCKS 4 proxy takes a user of ASCII characters and no password")
    return found


def _fits_socks(text: str) -> bool:
    return text.isascii() and "\0" not in text and 1 <= len(text) <= _MOST_OF_LOGIN


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    named, host = entry.lower(), host.lower().removesuffix(".")
    if (address := _address(host)) is not None:
        return _covers_address(named, address, port)
    named, _, digits = named.partition(":")
    named = named.removeprefix("*").removeprefix(".").removesuffix(".")
    if not named or digits not in ("", str(port)):
        return False
    return host == named or host.endswith(f".{named}")


def _covers_address(
    entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> bool:
    found = re.fullmatch(r"\[([^]]*)\](?::(.*))?|([0-9]+\.[0-9.]+):(.*)|(.*)", entry)
    assert found is not None
    in_brackets, port6, dotted, port4, other = found.groups()
    if (port6 or port4 or "") not in ("", str(port)):
        return False
    try:
        network = ipaddress.ip_network(in_brackets or dotted or other, strict=False)
    except ValueError:
        return False
    return address in network


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.lower().removesuffix(".") == "localhost" if address is None else address.is_loopback


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
