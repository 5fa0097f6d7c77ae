"""What a name and an address may be: refused where they come in, they need no care later.

Of whatever script, a name is one that people can read in a list: nothing in it is invisible, lays
out a line, or says what only the programs say. Joiners are allowed where a script needs them. An
address is a host and a port.
"""

import ipaddress
import re
import unicodedata

from protocol.words import is_plain, without

MAX_NAME = 64
# Whoever has such a name could be taken for another where blame is laid, or for none.
_TAKEN = re.compile(
    r"\bmember\s*(no\.?\s*)?\d|\(\s*guest\s*\)"
    r"|^((the )?aggregator|nobody( in particular)?|none|all)$"
)
_URL = re.compile(r"wss://(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z.-]+))(?::([1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"(?!-)[0-9A-Za-z-]{1,63}(?<!-)")
_MAX_HOST = 253
MAX_URL = len("wss://[]:65535") + _MAX_HOST


def fault_of_name(name: str) -> str | None:
    """Why no member and no federation has this name; None if one may.

    1 to 64 characters of any script in normal form C, with single blanks inside, none of them
    invisible, and not a name that the programs give to somebody else.
    """
    if not 1 <= len(name) <= MAX_NAME:
        return f"it must have 1 to {MAX_NAME} characters"
    if not is_plain(name):
        return "it has a character that is invisible or steers what shows it"
    if name != name.strip() or "  " in name:
        return "it has a blank at its beginning or end, or two in a row"
    if not unicodedata.is_normalized("NFC", name):
        return "it is not in Unicode normal form C"
    if _TAKEN.search(look_of(name)):
        return "the programs say it of somebody else: a member's number, a guest, the aggregator"
    return None


def look_of(name: str) -> str:
    """What names that differ by case, width, joiners or another form of a letter have in common."""
    plain = unicodedata.normalize("NFKC", without(name))
    return unicodedata.normalize("NFKC", plain.casefold())


def normal(name: str) -> str:
    """A name in normal form C, as it is signed and compared, whichever form it was typed in."""
    return unicodedata.normalize("NFC", name)


def fault_of_url(url: str) -> str | None:
    """Why this is no aggregator's address; None if it is: ``wss://host`` or ``wss://host:port``."""
    found = _URL.fullmatch(url)
    if found is None:
        return "it must be wss://host or wss://host:port, without user, path or query"
    in_brackets, host, port = found.groups()
    if in_brackets is not None and not _is_ip(in_brackets, 6):
        return "what is in its brackets is no IPv6 address"
    if host is not None and not is_host(host):
        return "its host is neither a DNS name (in ASCII) nor an IP address"
    if port is not None and int(port) > 65_535:
        return "its port is above 65535"
    return None


def is_host(host: str) -> bool:
    """Whether a host is a DNS name in ASCII, an IPv4 or an IPv6 address, without brackets."""
    if ":" in host:
        return _is_ip(host, 6)
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdecimal():
        return _is_ip(host, 4)
    return len(host) <= _MAX_HOST and all(map(_LABEL.fullmatch, labels))


def _is_ip(host: str, version: int) -> bool:
    try:
        # Of a zone, which the library takes too, only this machine knows what it means.
        return "%" not in host and ipaddress.ip_address(host).version == version
    except ValueError:
        return False
