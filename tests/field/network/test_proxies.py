"""Networks that reach others through a proxy alone, and what their settings get wrong."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.errors import OutOfTime, ProxyRefuses, Unreachable, WrongCertificate
from participant.network import link
from participant.network import session as sessions
from tests.stage import consortium as consortiums
from tests.stage.consortium import Consortium, elsewhere, free_port, lost_into, run_all
from tests.stage.fake_proxy import (
    HOST,
    SECRET,
    Connector,
    Handler,
    Socks,
    answer,
    hang,
    holds_no,
    leave,
    over_tls,
    saying,
    serving,
    trusted_key,
)
from tests.stage.link.relay import make_tls_key

TLS_HANDSHAKE = b"\x16"  # the first byte of its record

pytestmark = pytest.mark.usefixtures("no_proxy_settings")


# ── through it ──


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """A consortium whose aggregator has a name that only a proxy can resolve."""
    return elsewhere(tmp_path_factory.mktemp("away"))


@pytest.fixture(scope="module")
def open_relay(away: Consortium) -> Iterator[Consortium]:
    with away.relay.running():
        yield away


def call(consortium: Consortium, **environment: str) -> str:
    """Connect as a member; what the aggregator welcomed it with."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return consortiums.call(consortium)


def test_a_proxy_sees_host_and_port_and_no_more(open_relay: Consortium) -> None:
    connector = Connector(open_relay.relay.port, f"user:{SECRET} é")
    with serving(connector) as port:
        login = f"user:{SECRET}%20%C3%A9"
        assert call(open_relay, HTTPS_PROXY=f"http://{login}@127.0.0.1:{port}") == "Welcome"
    (head,) = connector.heads
    place = f"{HOST}:{open_relay.relay.port}"
    assert head.startswith(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n".encode())
    assert connector.passed == [TLS_HANDSHAKE]


def test_a_proxy_without_scheme_is_an_http_proxy(open_relay: Consortium) -> None:
    with serving(Connector(open_relay.relay.port)) as port:
        assert call(open_relay, https_proxy=f"127.0.0.1:{port}") == "Welcome"


def test_a_proxy_over_tls_is_used_if_its_authority_is_known(
    open_relay: Consortium, tmp_path: Path
) -> None:
    key = trusted_key(tmp_path)
    connector = Connector(open_relay.relay.port, f"user:{SECRET}")
    with serving(over_tls(key.certificate, key.key, connector)) as port:
        at = f"https://user:{SECRET}@localhost:{port}"
        assert call(open_relay, HTTPS_PROXY=at, SSL_CERT_FILE=str(key.certificate)) == "Welcome"
        with pytest.raises(ProxyRefuses, match=r"certificate of the proxy localhost:\d+") as caught:
            call(open_relay, HTTPS_PROXY=at)
        assert "self-signed" in caught.value.reason
        assert "SSL_CERT_FILE" in caught.value.remedy
        assert holds_no(SECRET, caught.value)
    assert len(connector.heads) == 1


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a", "socks"])
def test_a_socks_proxy_looks_the_name_up(open_relay: Consortium, scheme: str) -> None:
    pytest.importorskip("python_socks")
    proxy = Socks(open_relay.relay.port)
    with serving(proxy) as port:
        assert call(open_relay, ALL_PROXY=f"{scheme}://127.0.0.1:{port}") == "Welcome"
    assert HOST.encode() in proxy.asked[0]


def test_a_socks_proxy_gets_user_and_password(open_relay: Consortium) -> None:
    pytest.importorskip("python_socks")
    proxy = Socks(open_relay.relay.port, (b"user", SECRET.encode()))
    with serving(proxy) as port:
        at = f"127.0.0.1:{port}"
        assert call(open_relay, ALL_PROXY=f"socks5h://user:{SECRET}@{at}") == "Welcome"
        for login, said in (("user:other@", "does not take this user"), ("", "wants a user")):
            with pytest.raises(ProxyRefuses, match=f"ALL_PROXY.*{said}") as caught:
                call(open_relay, ALL_PROXY=f"socks5h://{login}{at}")
            assert holds_no("other", caught.value)


def test_the_pinned_key_counts_behind_a_proxy_too(open_relay: Consortium, tmp_path: Path) -> None:
    """A proxy that opens TLS for itself shows a certificate of its own."""
    box = make_tls_key(tmp_path)

    def inspecting(connected: socket.socket) -> None:
        connected.recv(4_096)
        connected.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        over_tls(box.certificate, box.key, hang)(connected)

    with serving(inspecting) as port, pytest.raises(WrongCertificate) as caught:
        call(open_relay, HTTPS_PROXY=f"http://user:{SECRET}@127.0.0.1:{port}")
    assert caught.value.found == box.pin
    said = describe(caught.value, Context())
    assert "issued to CN=localhost by CN=localhost" in said.what
    assert f"through the proxy 127.0.0.1:{port} (from HTTPS_PROXY)" in said.what
    assert "inspects TLS" in said.remedy
    assert holds_no(SECRET, caught.value)


# ── what goes wrong on the way ──

NTLM_ONLY, NTLM_TOO = (
    b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate x\r\n"
    + basic
    + b"Content-Length: 0\r\n\r\n"
    for basic in (b"", b'Proxy-Authenticate: Basic realm="x"\r\n')
)
ECHO = f"502 {SECRET}"
REFUSED: list[tuple[str, Handler | int, str, type[Exception]]] = [
    ("http", saying(answer(f"407 {SECRET}")), "does not take this user", ProxyRefuses),
    ("http", saying(NTLM_ONLY), "knows users by Negotiate, NTLM alone", ProxyRefuses),
    ("http", saying(NTLM_TOO), "does not take this user", ProxyRefuses),
    ("http", saying(answer("403 Forbidden")), "answers 403", Unreachable),
    ("http", saying(answer("302 Found")), "answers 302", Unreachable),
    ("http", saying(answer(ECHO)), "answers 502", Unreachable),
    ("http", saying(answer("503 No")), "answers 503", Unreachable),
    ("http", leave, "closes the connection without an answer", Unreachable),
    ("http", saying(b""), "closes the connection without an answer", Unreachable),
    ("http", saying(SECRET.encode() + b"\r\n\r\n"), "answers what is no HTTP", Unreachable),
    ("http", saying(bytes(100)), "without an answer in HTTP", Unreachable),
    ("http", saying(b"A" * 100_000), "answers what is no HTTP", Unreachable),
    ("http", hang, "gives no answer", Unreachable),
    ("http", 0, "cannot be reached: connection refused", Unreachable),
    ("https", saying(answer("400 Bad Request")), "speaks no TLS", Unreachable),
    ("http", saying(answer("200 OK", "<html>Please log in")), "closed while", Unreachable),
    ("socks5h", saying(answer("400 Bad Request")), "answers what is no SOCKS", Unreachable),
    ("socks5h", leave, "closes the connection without an answer", Unreachable),
    ("socks5h", hang, "gives no answer", Unreachable),
    ("socks5h", 0, "cannot be reached: connection refused", Unreachable),
    ("socks5h", Socks(0, code=2), "does not connect: connection not allowed", Unreachable),
    ("socks5h", Socks(0, code=5), "does not connect: connection refused by", Unreachable),
    ("socks4a", saying(b"\0\x5b" + bytes(6)), "does not connect: request rejected", Unreachable),
]


@pytest.mark.parametrize(("scheme", "handle", "words", "kind"), REFUSED)
def test_a_proxy_that_gives_no_line_is_named_with_cause_and_remedy(
    away: Consortium,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    scheme: str,
    handle: Handler | int,
    words: str,
    kind: type[Exception],
) -> None:
    if scheme.startswith("socks"):
        pytest.importorskip("python_socks")
    monkeypatch.setattr(link, "OPEN_SECONDS", 0.3 if handle is hang else 5.0)
    login = "" if scheme == "socks4a" else f"user:{SECRET}@"
    with contextlib.ExitStack() as stack:
        port = free_port() if isinstance(handle, int) else stack.enter_context(serving(handle))
        caught = stack.enter_context(pytest.raises(kind, match=words))
        call(away, HTTPS_PROXY=f"{scheme}://{login}127.0.0.1:{port}")
    said = describe(caught.value, Context())
    assert f"proxy 127.0.0.1:{port} (from HTTPS_PROXY)" in said.what
    assert said.remedy
    assert "quorate-aggregator" not in said.remedy or "closed while" in words
    assert SECRET not in said.what + said.remedy
    assert holds_no(SECRET, caught.value)
    assert caught.value.__context__ is None
    assert caplog.text == "", "no library prints a traceback to a terminal"


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_a_proxy_whose_name_is_not_known_is_named(away: Consortium, scheme: str) -> None:
    if scheme.startswith("socks"):
        pytest.importorskip("python_socks")
    with pytest.raises(Unreachable, match=r"the name of the proxy gone.invalid:8 .* is not"):
        call(away, HTTPS_PROXY=f"{scheme}://gone.invalid:8")


def test_socks5_looks_the_name_up_here_and_says_what_would_not(away: Consortium) -> None:
    pytest.importorskip("python_socks")
    with serving(Socks(0)) as port, pytest.raises(Unreachable) as caught:
        call(away, ALL_PROXY=f"socks5://127.0.0.1:{port}")
    assert "is not known here" in caught.value.reason
    assert "write socks5h://" in caught.value.remedy


def test_without_the_package_for_socks_a_sentence_says_so(
    away: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lacking(*args: Any, **kwargs: Any) -> None:
        raise ImportError("connecting through a SOCKS proxy requires python-socks")

    monkeypatch.setattr("websockets.asyncio.client.connect_socks_proxy", lacking)
    with pytest.raises(Unreachable, match="needs the package python-socks"):
        call(away, ALL_PROXY="socks5h://127.0.0.1:9")


def test_without_a_proxy_the_variable_that_does_not_count_is_named(away: Consortium) -> None:
    with pytest.raises(Unreachable, match="its name is not known here") as caught:
        call(away, http_proxy="a:1")
    assert "http_proxy counts for http:// alone" in caught.value.remedy
    with pytest.raises(Unreachable) as caught:
        call(away, HTTPS_PROXY="a:1", no_proxy=HOST)
    assert "no_proxy names this address, so that HTTPS_PROXY is not" in caught.value.remedy
    with pytest.raises(Unreachable) as caught:
        call(away, HTTPS_PROXY="")
    assert "set HTTPS_PROXY" in caught.value.remedy


# ── waiting, or not ──


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Consortium:
    monkeypatch.setattr(sessions, "_FIRST_WAIT", 0.02)
    monkeypatch.setattr(sessions, "_LONGEST_WAIT", 0.04)
    return elsewhere(tmp_path)


def test_a_dead_proxy_is_waited_for_and_told_once(
    fresh: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, reasons, ends = free_port(), list[str](), list[Any]()
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
    session = fresh.session(1, notices=lost_into(reasons), time_limit=4.0)
    thread = threading.Thread(target=lambda: ends.extend(run_all([session])))
    with fresh.relay.running() as relay:
        thread.start()
        time.sleep(0.3)
        with serving(Connector(relay.port), port):
            thread.join(10)
    (end,) = ends
    assert isinstance(end, OutOfTime)
    assert end.waiting.members == (2, 3), "it came through in the end"
    assert [r for r in reasons if "connection refused" in r] == reasons[:1]


@pytest.mark.parametrize("value", [f"http//{SECRET}", f"http://user:{SECRET}@proxy:port"])
def test_a_setting_that_cannot_be_right_ends_the_command_without_the_password(
    fresh: Consortium, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    for words in (("ceremony", str(fresh.file)), ("status", str(fresh.file), "--json")):
        out, err = fresh.typed(1, *words, expect=1)
        assert "HTTPS_PROXY names no proxy" in err
        assert SECRET not in out + err
    assert not (fresh.folder / "h1" / "errors").exists()


def test_a_refused_password_ends_the_command_at_once(
    fresh: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since trying it again and again can lock the hospital's account."""
    connector = Connector(0, "user:another")
    with serving(connector) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{port}")
        out, err = fresh.typed(1, "ceremony", str(fresh.file), expect=1)
    assert len(connector.heads) == 1
    assert f"the proxy 127.0.0.1:{port} (from HTTPS_PROXY) answers 407" in err
    assert SECRET not in out + err


def test_a_proxy_that_once_let_this_process_through_is_tried_a_few_times_more(
    fresh: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons: list[str] = []
    fresh.relay.drop_after = 1
    connector = Connector(fresh.relay.port, f"user:{SECRET}")

    def once(connected: socket.socket) -> None:
        connector(connected)
        connector.login = "user:another"

    with fresh.relay.running(), serving(once) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{port}")
        (end,) = run_all([fresh.session(1, notices=lost_into(reasons))], seconds=10)
    assert isinstance(end, ProxyRefuses)
    assert len(connector.heads) == 1 + sessions._REFUSALS
    assert len([r for r in reasons if "answers 407" in r]) == 1


def test_a_refused_tls_key_of_a_proxy_is_no_reason_for_a_traceback(
    fresh: Consortium, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = make_tls_key(tmp_path / "box")
    with serving(over_tls(key.certificate, key.key, Connector(0))) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"https://user:{SECRET}@localhost:{port}")
        out, err = fresh.typed(1, "ceremony", str(fresh.file), expect=1)
    assert "is not trusted" in err
    assert SECRET not in out + err
