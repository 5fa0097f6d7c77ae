"""Whoever reads what libraries log in their debug modes, which an app may switch on, or a variable.

An app that calls ``logging.basicConfig(level=logging.DEBUG)`` is common, and its log is sent to
whoever is asked for help. It has no password of a proxy, no passphrase, and nothing that the
aggregator does not see.
"""

import asyncio
import base64
import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from participant.errors import ProxyRefuses, Unreachable
from participant.network.link import Caller, Traffic, open_link
from tests.stage.consortium import PASSPHRASE, Consortium, elsewhere
from tests.stage.fake_proxy import Connector, Handler, Socks, over_tls, saying, serving, trusted_key

SECRET = "geheim"
LOGIN = f"user:{SECRET}"
Made = Callable[[int], Handler]  # a proxy to a port


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """A federation whose aggregator is reached through a proxy only, and runs."""
    made = elsewhere(tmp_path_factory.mktemp("away"))
    with made.relay.running():
        yield made


@pytest.fixture(autouse=True)
def all_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("all_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    caplog.set_level(logging.DEBUG)


def told(secret: str, text: str) -> bool:
    """Whether a text has it, as it is or in base64 behind anything."""
    forms = list[str]()
    for k in range(3):
        data = base64.b64encode(b"x" * k + secret.encode()).decode()
        forms.append(data[-(-8 * k // 6) : 8 * (k + len(secret)) // 6])
    return any(form in text for form in (secret, *forms))


def test_a_password_is_found_behind_any_user() -> None:
    for user in ("", "u", "us", "use", "user"):
        header = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
        assert told(SECRET, f"> Proxy-Authorization: Basic {header}")
    assert not told(SECRET, base64.b64encode(b"user:another").decode())


PROXIES: list[tuple[str, Made]] = [
    ("http", lambda port: Connector(port, LOGIN)),
    ("http", lambda port: Connector(port, "user:another")),
    ("http", lambda port: saying(f"HTTP/1.1 407 {SECRET}\r\nX: {SECRET}\r\n\r\n".encode())),
    ("http", lambda port: saying(f"HTTP/1.1 200 {SECRET}\r\nX: {SECRET}\r\n\r\n".encode())),
    ("http", lambda port: saying(f"{SECRET}\r\n\r\n".encode())),
    ("https", lambda port: Connector(port, LOGIN)),
    ("socks5h", lambda port: Socks(port, (b"user", SECRET.encode()))),
    ("socks5h", lambda port: Socks(port, (b"user", b"another"))),
    ("socks5h", lambda port: saying(SECRET.encode())),
]


@pytest.mark.parametrize(("scheme", "proxy"), PROXIES)
def test_no_log_has_the_password_of_a_proxy(
    away: Consortium,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    scheme: str,
    proxy: Made,
) -> None:
    if scheme.startswith("socks"):
        pytest.importorskip("python_socks")
    handle = proxy(away.relay.port)
    if scheme == "https":
        key = trusted_key(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(key.certificate))
        handle = over_tls(key.certificate, key.key, handle)

    async def call() -> None:
        asyncio.get_running_loop().slow_callback_duration = 0  # each callback is logged
        caller = Caller(1, away.member(1).identity.signing_key, bytes(16))
        async with open_link(away.terms, away.card, caller, Traffic()):
            """That will do."""

    with serving(handle) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://{LOGIN}@localhost:{port}")
        with contextlib.suppress(Unreachable, ProxyRefuses):
            asyncio.run(call())
    assert "asyncio" in {record.name for record in caplog.records}, "nothing was logged"
    assert not told(SECRET, caplog.text)


def test_no_log_has_the_passphrase(away: Consortium, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.MonkeyPatch.context() as patch, serving(Connector(away.relay.port, LOGIN)) as port:
        patch.setenv("HTTPS_PROXY", f"http://{LOGIN}@127.0.0.1:{port}")
        out, err = away.typed(1, "ceremony", str(away.file), "--timeout", "1", expect=1)
    assert "websockets.client" in {record.name for record in caplog.records}
    for secret in (SECRET, PASSPHRASE.text):
        assert not told(secret, caplog.text + out + err)


@pytest.mark.slow
def test_no_debug_mode_of_a_whole_process_tells_either(away: Consortium, tmp_path: Path) -> None:
    code = "import logging\nlogging.basicConfig(level=logging.DEBUG)\n"
    (tmp_path / "sitecustomize.py").write_text(code)
    words = ["-X", "dev", "-m", "participant", "ceremony", str(away.file), "--timeout", "3"]
    with serving(Connector(away.relay.port, LOGIN)) as port:
        environment = os.environ | away.environment(1)
        environment["HTTPS_PROXY"] = f"http://{LOGIN}@127.0.0.1:{port}"
        environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(Path.cwd())])
        done = subprocess.run(
            [sys.executable, *words],
            check=False,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 1, done.stderr
    assert "websockets.client" in done.stderr, "nothing was logged"
    assert not any(told(secret, done.stdout + done.stderr) for secret in (SECRET, PASSPHRASE.text))
