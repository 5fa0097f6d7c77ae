# SPDX-License-Identifier: Apache-2.0
"""An NVFlare of processes, with startup kits, certificates and TLS, as sites have it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from nvflare.fuel.flare_api.flare_api import Session, new_secure_session

ADMIN = "admin@hospital.example"
_PROJECT = """
api_version: 3
name: quorate
participants:
  - {{name: localhost, type: server, org: center, fed_learn_port: {learn}, admin_port: {admin}}}
{sites}
  - {{name: "{user}", type: admin, org: center, role: lead}}
builders:
  - path: nvflare.lighter.impl.workspace.WorkspaceBuilder
  - path: nvflare.lighter.impl.static_file.StaticFileBuilder
    args: {{config_folder: config, scheme: tcp}}
  - path: nvflare.lighter.impl.cert.CertBuilder
  - path: nvflare.lighter.impl.signature.SignatureBuilder
"""


class Kits:
    """Provisioned kits of a server and some sites; ``start`` begins each in a process group."""

    def __init__(self, folder: Path, sites: list[str]) -> None:
        self.folder, self.sites = folder, sites
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._session: Session | None = None
        learn, admin = _free_ports(2)
        lines = "\n".join(f"  - {{name: {site}, type: client, org: hospital}}" for site in sites)
        project = folder / "project.yml"
        project.write_text(_PROJECT.format(learn=learn, admin=admin, sites=lines, user=ADMIN))
        command = ["nvflare.cli", "provision", "-p", str(project), "-w", str(folder / "made")]
        subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)

    def kit(self, name: str) -> Path:
        """The startup kit of the server (``localhost``), a site or a user."""
        return self.folder / "made/quorate/prod_00" / name

    def start(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Begin the server or a site."""
        kind = "server" if name == "localhost" else "client"
        said = ["secure_train=true", "org=center", "config_folder=config"]
        said += [] if kind == "server" else [f"uid={name}"]
        module = f"nvflare.private.fed.app.{kind}.{kind}_train"
        command = [sys.executable, "-u", "-m", module, "-m", str(self.kit(name))]
        with (self.folder / f"{name}.log").open("a") as log:
            self._processes[name] = subprocess.Popen(
                [*command, "-s", f"fed_{kind}.json", "--set", *said], stdout=log, stderr=log,
                start_new_session=True, cwd=self.folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
            )  # fmt: skip

    def allow_jobs_of(self, *packages: str, patience: int = 600) -> None:
        """At the server: its jobs are made of NVFlare's classes and of these packages'.

        patience: seconds that it waits for a site that says nothing (600 as provisioned). Jobs are
        kept in a folder of its own: NVFlare's is every server's of a machine.
        """
        local = self.kit("localhost") / "local"
        default = (local / "resources.json.default").read_text()
        policy = json.loads(default.replace("/tmp/nvflare", str(self.folder / "kept")))
        policy["servers"][0]["heart_beat_timeout"] = patience
        policy["class_allow_list"] += packages
        (local / "resources.json").write_text(json.dumps(policy))

    def kill_job(self, site: str) -> None:
        """Kill the process in which a site does a job, and not the site's own."""
        parent = self._processes[site].pid
        threads = Path(f"/proc/{parent}/task").iterdir()
        children = [one for t in threads for one in (t / "children").read_text().split()]
        assert len(children) == 1, children
        os.kill(int(children[0]), signal.SIGKILL)

    def stop(self, name: str) -> None:
        """Kill it, with its job processes."""
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def __enter__(self) -> Kits:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        where: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._session is not None:
            self._session.close()
        for name in list(self._processes):
            self.stop(name)

    @property
    def session(self) -> Session:
        """An administrator's, once the server and all sites are there."""
        if self._session is None:
            user = str(self.kit(ADMIN))
            self._session = new_secure_session(ADMIN, user, timeout=60.0)
            session = self._session
            wait_for(lambda: len(session.get_system_info().client_info) == len(self.sites))
        return self._session

    def submit(self, job: Path) -> str:
        """Submit an exported job; its id."""
        return str(self.session.submit_job(str(job)))

    def status(self, job: str) -> str:
        """Of a job, as NVFlare names it."""
        return str(self.session.get_job_meta(job)["status"])

    def ended(self, job: str, seconds: float = 120.0) -> str:
        """How a job has ended."""
        wait_for(lambda: self.status(job).startswith("FINISHED"), seconds)
        return self.status(job)

    def logs(self) -> dict[str, str]:
        """Of all of them."""
        return {name: self.log(name) for name in ("localhost", *self.sites)}

    def log(self, name: str) -> str:
        """What a process has said so far, and its job processes."""
        return (self.folder / f"{name}.log").read_text()


def wait_for(is_so: Callable[[], Any], seconds: float = 60.0) -> None:
    """Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.2)


def write_json(path: Path, found: object) -> None:
    """As a site's administrator writes a file."""
    path.write_text(json.dumps(found, indent=2))


def _free_ports(count: int) -> list[int]:
    lines = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [line.getsockname()[1] for line in lines]
    for line in lines:
        line.close()
    return found
