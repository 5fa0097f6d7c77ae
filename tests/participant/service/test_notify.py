"""What systemd is told, over real sockets; and the unit that is an example."""

import configparser
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from participant.service.notify import Notifier

UNIT = Path(__file__).parents[3] / "examples" / "systemd" / "quorate-participant.service"


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket, and the address that a service finds."""
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("abstract sockets are Linux's")
    name = str(tmp_path / "notify")
    if request.param == "abstract":
        name = f"@quorate-test-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind("\0" + name[1:] if name[0] == "@" else name)
        line.settimeout(10)
        yield line, name


def test_the_manager_is_told_over_its_socket(manager: tuple[socket.socket, str]) -> None:
    line, name = manager
    notifier = Notifier.of({"NOTIFY_SOCKET": name})
    notifier.status("waiting for the passphrase")
    assert line.recv(4096) == b"STATUS=waiting for the passphrase"
    notifier.ready("at work")
    assert line.recv(4096) == b"READY=1\nSTATUS=at work"
    notifier.alive()
    assert line.recv(4096) == b"WATCHDOG=1"
    notifier.stopping("ending")
    assert line.recv(4096) == b"STOPPING=1\nSTATUS=ending"


def test_a_status_stays_on_its_line(manager: tuple[socket.socket, str]) -> None:
    line, name = manager
    Notifier(name).status("one\nREADY=1")
    assert line.recv(4096) == b"STATUS=one READY=1"


def test_without_a_manager_nobody_is_told(tmp_path: Path) -> None:
    for address in ("", "@", "relative", str(tmp_path / "nobody"), "/" + "x" * 200):
        Notifier.of({"NOTIFY_SOCKET": address}).ready("at work")


def test_no_child_can_speak_for_the_service() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "2", "WATCHDOG_PID": "1", "A": "b"}
    Notifier.of(environment)
    assert environment == {"A": "b"}


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "-1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_a_sign_of_life_is_given_twice_as_often_as_it_must_be(
    given: dict[str, str], seconds: float
) -> None:
    assert Notifier.of(dict(given)).watchdog_seconds == seconds


def service_section() -> dict[str, list[str]]:
    """The [Service] section; a key may stand there more than once."""
    found: dict[str, list[str]] = {}
    section = ""
    for row in UNIT.read_text().splitlines():
        if row.startswith("["):
            section = row
        elif section == "[Service]" and "=" in row and not row.startswith("#"):
            key, _, value = row.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_speaks_the_protocol_and_takes_the_passphrase_as_a_credential() -> None:
    reader = configparser.ConfigParser(strict=False, interpolation=None)
    reader.optionxform = str  # type: ignore[assignment]
    reader.read_string(UNIT.read_text())
    assert set(reader.sections()) == {"Unit", "Service", "Install"}
    found = service_section()
    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    (credential,) = found["LoadCredential"]
    name, _, source = credential.partition(":")
    assert source.startswith("/")
    (command,) = found["ExecStart"]
    assert f"--passphrase-file ${{CREDENTIALS_DIRECTORY}}/{name}" in command
    assert "PASSPHRASE=" not in UNIT.read_text()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("ReadWritePaths", "/var/lib/quorate"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
        ("LimitCORE", "0"),
        ("MemorySwapMax", "0"),
        ("CapabilityBoundingSet", ""),
        ("UMask", "0077"),
    ],
)
def test_the_unit_takes_away_what_an_agent_does_not_need(key: str, value: str) -> None:
    assert service_section()[key] == [value]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/quorate-participant", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
