# SPDX-License-Identifier: Apache-2.0
"""Options of the gate, and what is said of the wrong ones."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from quorate_flower.gate.command import main, read_settings
from quorate_flower.gate.errors import CannotStart

from tests.gate import certificates
from tests.gate.replies import APP
from tests.stage.deployment import Deployment

GIVEN = ["--superlink", "127.0.0.1:9092", "--insecure", "--app", APP]


def key_file(folder: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    """A file as ssh-keygen writes it."""
    path = folder / "key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    return str(path)


def test_settings_are_read(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    key = ec.generate_private_key(ec.SECP384R1())
    found = read_settings(
        [
            "--superlink", "superlink.example:443", "--app", APP.upper(), "--app", "0" * 64,
            "--metrics", "train_loss, eval_loss,", "--root-certificates", str(made.authority),
            "--private-key", key_file(tmp_path, key), "--listen", "[::1]:0",
        ]
    )  # fmt: skip
    assert found.apps == {APP, "0" * 64}
    assert found.metrics == {"train_loss", "eval_loss"}
    assert found.listen == ("::1", 0)
    assert found.tls is not None
    assert found.tls.check_hostname
    assert found.key is not None


def test_the_gate_listens_on_this_computer_by_default() -> None:
    assert read_settings(GIVEN).listen == ("127.0.0.1", 9100)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--app", "abc"], "sha256sum"),
        (["--metrics", "num-examples"], "take it out"),
        (["--superlink", "hospital"], "--superlink hospital is no HOST:PORT"),
        (["--superlink", "localhost:"], "no HOST:PORT"),
        (["--superlink", "127.0.0.1:99999"], "no HOST:PORT"),
        (["--listen", "http://127.0.0.1:80/"], "--listen"),
        (["--superlink", "superlink.example:9092"], "not: leave it out"),
        (["--superlink", "10.0.0.5:9092"], "not: leave it out"),
        (["--root-certificates", "x.pem"], "exclude each other"),
        (["--private-key", "/nowhere/key"], "cannot be read"),
    ],
)
def test_a_wrong_option_is_named_with_a_remedy(options: list[str], said: str) -> None:
    with pytest.raises(CannotStart, match=re.escape(said)):
        read_settings([*GIVEN, *options])


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "x.pem"
    empty.write_text("no certificate")
    for path in (empty, tmp_path / "none.pem"):
        given = ["--superlink", "s:1", "--app", APP, "--root-certificates", str(path)]
        with pytest.raises(CannotStart, match="give a file of certificates in PEM"):
            read_settings(given)


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    path = key_file(tmp_path, ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(CannotStart, match="ssh-keygen -t ecdsa"):
        read_settings([*GIVEN, "--private-key", path])
    Path(path).write_text("no key")
    with pytest.raises(CannotStart, match="ssh-keygen -t ecdsa"):
        read_settings([*GIVEN, "--private-key", path])


@pytest.mark.parametrize("missing", ["--app", "--superlink"])
def test_an_option_that_is_needed_is_asked_for(
    missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    at = GIVEN.index(missing)
    with pytest.raises(SystemExit):
        main(GIVEN[:at] + GIVEN[at + 2 :])
    assert missing in capsys.readouterr().err


def gate(*options: str) -> subprocess.CompletedProcess[str]:
    """Run it until it ends by itself."""
    command = [sys.executable, "-m", "quorate_flower.gate", *GIVEN, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_busy_port_ends_the_command_without_a_traceback() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = gate("--listen", f"127.0.0.1:{other.getsockname()[1]}")
    assert done.returncode == 1
    assert "choose another port or address with --listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gate_waits_for_its_superlink_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with Deployment(tmp_path) as deployment:
        deployment.gate(1, "--app", APP)
        assert "cannot be reached" in deployment.log("gate-1")
        assert deployment.stop("gate-1", signal.SIGINT) == 0
        assert "Traceback" not in deployment.log("gate-1")


def test_a_bad_certificate_ends_the_command_without_a_traceback(tmp_path: Path) -> None:
    own, other = certificates.make(tmp_path / "own"), certificates.make(tmp_path / "other")
    serve = (
        "import http.server, ssl, sys\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler)\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
        "context.load_cert_chain(sys.argv[1], sys.argv[2])\n"
        "server.socket = context.wrap_socket(server.socket, server_side=True)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    command = [sys.executable, "-c", serve, str(other.server), str(other.key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        port = server.stdout.readline().decode().strip()
        done = subprocess.run(
            [sys.executable, "-m", "quorate_flower.gate", "--superlink", f"127.0.0.1:{port}",
             "--app", APP, "--root-certificates", str(own.authority), "--listen", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        server.terminate()
    assert done.returncode == 1
    assert "a certificate that does not verify" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_says_who_the_gate_is_for() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "quorate_flower.gate", "--help"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    for option in ("--app", "--metrics", "--listen", "--root-certificates", "--private-key"):
        assert option in done.stdout
