"""Why there is no link to the aggregator: what failed, where on the way, and what helps.

A library's error becomes one of ours here. The other side's words are shown as text of others, and
a proxy's are not shown at all, since it may repeat the password that it was given.
"""

import errno
import os
import re
import socket
import ssl
from dataclasses import dataclass

from websockets.exceptions import (
    ConnectionClosed,
    InvalidMessage,
    InvalidProxyMessage,
    InvalidProxyStatus,
    ProxyError,
)

from participant.errors import ProxyRefuses, Unreachable, WrongCertificate
from participant.network.proxy import Proxy
from protocol.programs.refusals import remedy_for
from protocol.words import shown

_ADMINISTRATORS = "Ask the administrators of this hospital's network"
_TO_SERVE = "Ask the aggregator's operator whether it runs: quorate-aggregator serve"
_NO_TLS = {  # OpenSSL's words for an answer in clear
    "WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST",
    "BAD_RECORD_TYPE", "UNEXPECTED_MESSAGE",
}  # fmt: skip
_OLD_TLS = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "TLSV13_ALERT_PROTOCOL_VERSION"}
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_OTHER_LOGINS = ("Negotiate", "NTLM", "Digest", "Bearer")  # what a proxy may want but a password
_LOGIN_WORDS = ("No acceptable authentication", "authentication failure")  # of python-socks
_LACKING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_NO_NETWORK = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}


class NotAWebsocket(OSError):
    """What holds the pinned key answers HTTP with a status instead of a websocket."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


@dataclass
class Way:
    """How the aggregator was to be reached, and how far that went.

    unused: which variable does not name a proxy for it, though it may seem to, in a sentence.
    """

    url: str
    proxy: Proxy | None
    unused: str = ""
    has_line: bool = False  # to what answers at the aggregator's address, through the proxy or not
    has_tls: bool = False  # with it

    @property
    def through(self) -> str:
        """The way, as the end of a reason."""
        return f", through {self.proxy.name}" if self.proxy else ""


def trouble(error: Exception, way: Way) -> Unreachable | ProxyRefuses:
    """What a failed attempt to connect means; nothing of ``error`` hangs on it."""
    if here := _here(error):
        return Unreachable(way.url, *here)
    if way.has_line:
        reason, remedy = _behind(error)
        return Unreachable(way.url, f"{reason}{way.through}", remedy)
    if way.proxy is None:
        reason, remedy = _direct(error, way.unused)
        return Unreachable(way.url, reason, remedy)
    if isinstance(error, ssl.SSLError | ProxyError):
        return _spoken(error, way, way.proxy)
    return _unspoken(error, way, way.proxy)


def closed(error: ConnectionClosed) -> tuple[str, str]:
    """Why an open connection ended, and what helps."""
    if error.sent is not None and error.sent.code == 1011:  # by this side: no pong came
        return silence()
    return "the connection was closed", ""


def stranger() -> tuple[str, str]:
    """What it means that somebody else than the aggregator answers, and what helps."""
    return (
        "who answers there does not have the key that the terms name",
        "If the aggregator has moved, ask its operator for the newer card. If a box on the way "
        "answers in its place, ask the administrators of this hospital's network to leave this "
        "address out",
    )


def another_key(found: WrongCertificate) -> tuple[str, str]:
    """What it means that another TLS key answers than in this process before, and what helps."""
    return (
        f"what answers there has another TLS key than the aggregator's card pins{found.about}",
        "If the aggregator has moved, take its newer card, and this goes on by itself: "
        "quorate-participant address federation.toml --take aggregator.toml. If not, a box on the "
        "way may answer in its place. Nothing was sent",
    )


def broken() -> tuple[str, str]:
    """What it means that a frame is not the one that was sent, and what helps."""
    return (
        "what came over the line was changed on the way, and the connection is given up",
        f"{_ADMINISTRATORS} whether a box on the way alters what passes through it",
    )


def silence() -> tuple[str, str]:
    """What it means that a connection is open and nothing comes through, and what helps."""
    return (
        "nothing comes through any more, although nobody has closed the connection",
        f"If this happens often, a firewall or VPN on the way drops it. {_ADMINISTRATORS}",
    )


def _here(error: Exception) -> tuple[str, str] | None:
    """What this machine lacks or forbids, and what helps; None if it is nothing of that kind."""
    for code in _codes(error):
        words = os.strerror(code).lower()
        if code in _LACKING:
            remedy = remedy_for(code)
            return f"on this machine: {words}", f"{remedy[:1].upper()}{remedy[1:]}"
        if code in (errno.EPERM, errno.EACCES):
            return (
                f"this machine lets no connection out: {words}",
                f"Check its firewall, and what this user may do. {_ADMINISTRATORS}",
            )
    return None


def _direct(error: Exception, unused: str) -> tuple[str, str]:
    set_proxy = unused or "If this network reaches others through a proxy, set HTTPS_PROXY"
    if isinstance(error, socket.gaierror):
        return _dns(error), f"Check this machine's network. {set_proxy}"
    if _NO_NETWORK.intersection(_codes(error)):
        return _system_words(error), f"Check this machine's network. {set_proxy}"
    if isinstance(error, TimeoutError):
        return "no answer", f"{_TO_SERVE}. {set_proxy}"
    return _system_words(error), f"{_TO_SERVE}. {set_proxy}" if unused else f"{_TO_SERVE}"


def _behind(error: Exception) -> tuple[str, str]:
    """Of what came after the line: TLS, and the websocket inside."""
    if isinstance(error, NotAWebsocket):
        return f"it answers HTTP {error.status} instead of a websocket", _TO_SERVE
    if isinstance(error, ssl.SSLCertVerificationError):
        said = shown(error.verify_message)
        return (
            f"no certificate authority vouches for what answers there: {said}",
            "Check this machine's clock. If a box on the way inspects TLS, name the file of its "
            "authority in SSL_CERT_FILE, since it reads nothing of what passes. If no box is "
            "there, ask the aggregator's operator",
        )
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return (
            "what answers there speaks no TLS",
            "It may be a network's login page or a filter on the way, instead of the aggregator. "
            f"Open a page in a browser, or: {_ADMINISTRATORS}",
        )
    if isinstance(error, ssl.SSLError) and error.reason in _OLD_TLS:
        return (
            "what answers there speaks no TLS 1.3",
            "It may be a box on the way that inspects TLS, instead of the aggregator. "
            f"{_ADMINISTRATORS}",
        )
    if isinstance(error, TimeoutError):
        return "it is connected, but says nothing", f"{_TO_SERVE}, and what stands on the way"
    if isinstance(error, ConnectionClosed | InvalidMessage | EOFError | ConnectionError):
        return "the connection was closed while it was being set up", _TO_SERVE
    return _system_words(error), _TO_SERVE


def _spoken(error: ssl.SSLError | ProxyError, way: Way, proxy: Proxy) -> Unreachable | ProxyRefuses:
    """Of what the proxy said, or how it said it."""
    if isinstance(error, InvalidProxyStatus):
        return _status(error, way, proxy)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProxyRefuses(
            way.url,
            f"the TLS certificate of {proxy.name} is not trusted: {shown(error.verify_message)}",
            "Nothing was sent. Check this machine's clock, and the proxy's name. If its authority "
            "is the hospital's own, name the authority's file in SSL_CERT_FILE",
        )
    if isinstance(error, ssl.SSLError):
        remedy = f"If it is a plain proxy, write http:// in {proxy.source}"
        return Unreachable(way.url, f"{proxy.name} speaks no TLS", remedy)
    if isinstance(error, InvalidProxyMessage):
        said = "closes the connection without an answer in HTTP"
        if not isinstance(error.__cause__, EOFError):
            said = "answers what is no HTTP"
        remedy = (
            f"Check host, port and what it speaks (http://, https://, socks5h://) in {proxy.source}"
        )
        return Unreachable(way.url, f"{proxy.name} {said}", remedy)
    return _socks(error, way, proxy)


def _status(error: InvalidProxyStatus, way: Way, proxy: Proxy) -> Unreachable | ProxyRefuses:
    code = error.response.status_code
    said = f"{proxy.name} answers {code}"
    if code == 407:
        offered = " ".join(error.response.headers.get_all("Proxy-Authenticate")).lower()
        others = [name for name in _OTHER_LOGINS if name.lower() in offered]
        if others and "basic" not in offered:
            return ProxyRefuses(
                way.url,
                f"{said}: it knows users by {', '.join(others)} alone, which is not spoken here",
                f"{_ADMINISTRATORS} for another way. Or run a program here that logs in at the "
                f"proxy (such as px or cntlm), and name that program in {proxy.source}",
            )
        return _login(said, way, proxy)
    if 500 <= code < 600:
        remedy = (
            f"It does not reach the aggregator. {_ADMINISTRATORS}, and the aggregator's operator"
        )
        return Unreachable(way.url, said, remedy)
    remedy = f"{_ADMINISTRATORS} to let this machine connect to the aggregator (CONNECT)"
    return Unreachable(way.url, said, remedy)


def _login(said: str, way: Way, proxy: Proxy) -> ProxyRefuses:
    """The proxy wants another user or password: another try may lock an account."""
    if proxy.user is None:
        reason, what = f"{said}: it wants a user and a password", "Put them into"
    else:
        reason, what = f"{said}: it does not take this user with this password", "Correct them in"
    form = f"{proxy.scheme}://USER:PASSWORD@{proxy.host}:{proxy.port}"
    remedy = f"{what} {proxy.source}: {form}. Signs such as @ are written as %40"
    return ProxyRefuses(way.url, reason, remedy)


def _socks(error: ProxyError, way: Way, proxy: Proxy) -> Unreachable | ProxyRefuses:
    cause = error.__cause__
    text, code = str(cause), getattr(cause, "error_code", None)
    if (
        cause is None or type(cause).__name__ != "ProxyError"
    ):  # python-socks', with words of its own
        remedy = f"Check {proxy.source}"
        return Unreachable(way.url, f"{proxy.name} could not be used", remedy)
    if any(words in text for words in _LOGIN_WORDS):
        return _login(proxy.name, way, proxy)
    if code is not None:
        remedy = f"{_ADMINISTRATORS} to let this machine connect to the aggregator"
        return Unreachable(way.url, f"{proxy.name} does not connect: {shown(text).lower()}", remedy)
    said = "answers what is no SOCKS"
    if type(cause.__cause__).__name__ == "IncompleteReadError":
        said = "closes the connection without an answer"
    remedy = (
        f"Check host, port and what it speaks (http://, socks5h://, socks4://) in {proxy.source}"
    )
    return Unreachable(way.url, f"{proxy.name} {said}", remedy)


def _unspoken(error: Exception, way: Way, proxy: Proxy) -> Unreachable:
    """Of a proxy that was not reached, or gave no answer."""
    if not isinstance(error, OSError | ImportError):
        return Unreachable(way.url, f"{proxy.name} cannot be used", f"Check {proxy.source}")
    if isinstance(error, ImportError):
        remedy = "Install it: pip install python-socks"
        return Unreachable(way.url, f"{proxy.name} needs the package python-socks", remedy)
    remedy = f"Check that it runs, and its host and port in {proxy.source}"
    if isinstance(error, socket.gaierror) and proxy.speaks_socks:
        remedy = f"If only the proxy knows the name, write socks5h:// in {proxy.source}"
        return Unreachable(way.url, f"{_dns(error)}, before {proxy.name} was asked", remedy)
    if _is_of_dns(error):
        return Unreachable(way.url, f"the name of {proxy.name} is not known here", remedy)
    if isinstance(error, TimeoutError):
        return Unreachable(way.url, f"{proxy.name} gives no answer", remedy)
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        said = "closes the connection without an answer"
        return Unreachable(way.url, f"{proxy.name} {said}", remedy)
    return Unreachable(way.url, f"{proxy.name} cannot be reached: {_system_words(error)}", remedy)


def _is_of_dns(error: OSError) -> bool:
    return isinstance(error, socket.gaierror) or (error.errno or 0) < 0


def _dns(error: OSError) -> str:
    if error.errno == socket.EAI_AGAIN:
        return "this machine's DNS does not answer"
    return "its name is not known here"


def _system_words(error: Exception) -> str:
    """What the system says; a library's own message may quote what the other side sent."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {shown(error.reason or str(error))}"
    if known := _codes(error):
        refused = errno.ECONNREFUSED in known
        return os.strerror(errno.ECONNREFUSED if refused else known[0]).lower()
    return shown(str(error) or type(error).__name__)


def _codes(error: Exception) -> list[int]:
    """The system's error numbers in an error, one for each address that was tried.

    TLS and the look-up of names have numbers of their own.
    """
    if not isinstance(error, OSError) or isinstance(error, ssl.SSLError | socket.gaierror):
        return []
    codes = [error.errno] if error.errno else map(int, _ERRNO.findall(str(error)))
    return [code for code in codes if code in errno.errorcode]
