# SPDX-License-Identifier: Apache-2.0
"""A SuperLink, a gate and a SuperNode on this computer, each a process of its own."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.gate.certificates import Certificates

BIN = Path(sys.executable).parent
APP = Path(__file__).parent / "app"


def free_port() -> int:
    """One that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Network:
    """Started in ``folder``, where the logs are; ``close`` ends all of it.

    certificates: the SuperLink speaks TLS with them, and authenticates SuperNodes.
    """

    def __init__(self, folder: Path, certificates: Certificates | None = None) -> None:
        self.folder, self.port = folder, free_port()
        self._certificates = certificates
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        home = folder / "home"
        home.mkdir()
        trust = f'root-certificates = "{certificates.authority}"' if certificates else ""
        (home / "config.toml").write_text(
            '[superlink]\ndefault = "local"\n\n'
            f'[superlink.local]\naddress = "127.0.0.1:{self.port}"\n'
            f"{trust or 'insecure = true'}\n"
        )
        self.environment = os.environ | {
            "FLWR_HOME": str(home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.05",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }

    def start(self, name: str, *command: object, **environment: str) -> None:
        """Start a process whose log is ``name``.log."""
        log = (self.folder / f"{name}.log").open("w")
        with log:
            self._running[name] = subprocess.Popen(
                [str(part) for part in command],
                env=self.environment | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def superlink(self) -> None:
        """Start it, and wait until it listens."""
        made, options = self._certificates, ["--insecure"]
        if made:
            options = [
                "--ssl-ca-certfile", str(made.authority), "--ssl-certfile", str(made.server),
                "--ssl-keyfile", str(made.key), "--enable-supernode-auth",
            ]  # fmt: skip
        self.start(
            "superlink", BIN / "flower-superlink", *options, "--port", self.port,
            "--disable-runtime-dependency-installation",
        )  # fmt: skip
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end, self.log("superlink")
                time.sleep(0.2)

    def gate(self, *options: str) -> str:
        """Start it; returns where it listens."""
        made = self._certificates
        trust = ["--root-certificates", str(made.authority)] if made else ["--insecure"]
        self.start(
            "gate", sys.executable, "-m", "quorate_flower.gate", *trust, "--listen",
            "127.0.0.1:0", "--superlink", f"127.0.0.1:{self.port}", *options,
        )  # fmt: skip
        return self.wait("gate", r"listening on (\S+) ")

    def registered_key(self) -> str:
        """The file of a node's private key that the SuperLink knows."""
        path = self.folder / "node-key"
        key = ec.generate_private_key(ec.SECP384R1())
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        path.with_suffix(".pub").write_bytes(public)
        self.flwr("supernode", "register", path.with_suffix(".pub"), "local")
        return str(path)

    def supernode(self, superlink: str) -> None:
        """Start one; its home is its own."""
        self.start(
            "supernode", BIN / "flower-supernode", "--insecure", "--superlink", superlink,
            "--port", free_port(), FLWR_HOME=str(self.folder / "node"),
        )  # fmt: skip
        self.wait("supernode", r"SuperNode ID")

    def app(self, version: str) -> tuple[Path, str]:
        """A copy of the app with that version, and the SHA-256 of its bundle."""
        folder = self.folder / f"app-{version[0]}"
        shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
        about = folder / "pyproject.toml"
        about.write_text(about.read_text().replace("1.0.0", version))
        made = self.folder / f"made-{version}"
        made.mkdir()
        self.flwr("build", "--app", folder, cwd=made)
        (bundle,) = made.glob("*.fab")
        return folder, hashlib.sha256(bundle.read_bytes()).hexdigest()

    def run(self, app: Path, *sends: str) -> dict[str, str]:
        """What the ServerApp says that it got, by what it has asked for."""
        said = self.flwr("run", app, "local", "--stream", "--run-config",
                         f'sends="{" ".join(sends)}"')  # fmt: skip
        found = {kind: text.strip() for kind, text in re.findall(r"GOT (\w+):(.*)", said)}
        assert found.keys() == {*sends, "all"}, said + self.log("gate")
        return found

    def flwr(self, *arguments: object, cwd: Path | None = None) -> str:
        """What ``flwr`` prints."""
        done = subprocess.run(
            [BIN / "flwr", *map(str, arguments)], env=self.environment, cwd=cwd or self.folder,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def wait(self, name: str, pattern: str, seconds: float = 60) -> str:
        """The first group of a pattern in a log, or the match, once it is there."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.log(name))):
            assert time.monotonic() < end, f"{name} does not say {pattern}:\n{self.log(name)}"
            time.sleep(0.1)
        return found[found.lastindex or 0]

    def log(self, name: str) -> str:
        """What a process has said until now."""
        return (self.folder / f"{name}.log").read_text()

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """Interrupt a process; returns its exit status."""
        process = self._running.pop(name)
        os.killpg(process.pid, number)
        return int(process.wait(20))

    def close(self) -> None:
        """End every process that was started here, SuperNode first."""
        for process in reversed(self._running.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + 10
        for process in self._running.values():
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)
