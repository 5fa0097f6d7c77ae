"""A PostgreSQL of the tests' own, with its data in a temporary folder and nothing listening on TCP
but this machine."""

import contextlib
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from examples.demo.processes import free_port

_PLACES = "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"
_SETTINGS = {
    "fsync": "off", "full_page_writes": "off", "listen_addresses": "127.0.0.1",
    "shared_buffers": "16MB", "max_connections": "60", "logging_collector": "off",
}  # fmt: skip
PASSWORD = "p4ss-of-the-tests"


def programs() -> Path | None:
    """The folder with the server's programs, None where none is installed."""
    on_path = shutil.which("initdb")
    found = [Path(name) for place in _PLACES for name in sorted(glob.glob(place), reverse=True)]
    found += [Path(on_path).parent] if on_path else []
    return next((folder for folder in found if (folder / "postgres").exists()), None)


def require_programs() -> Path:
    """The same; where there is none, tests are skipped, but never in CI."""
    if (found := programs()) is not None:
        return found
    said = "PostgreSQL is not installed: nothing is tested with it (apt install postgresql)"
    if os.environ.get("QUORATE_CI"):
        pytest.fail(said)
    warnings.warn(said, stacklevel=1)
    pytest.skip(said)


class Server:
    """One that runs until it is stopped, and may be started again on the same data."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self._programs, self.folder, self.port = require_programs(), folder, free_port()
        self._settings = {**_SETTINGS, **(settings or {})}
        self._user = _user_for(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        password = folder / "password"
        password.write_text(PASSWORD)
        if self._user:
            shutil.chown(password, self._user)
        self._run(
            "initdb", "--pgdata", str(folder / "data"), "--username", "owner", "--no-sync",
            "--auth", "scram-sha-256", "--pwfile", str(password), "--locale", "C",
            "--encoding", "UTF8",
        )  # fmt: skip
        self.start()

    def _command(self, name: str, *arguments: str) -> list[str]:
        as_user = ["setpriv", "--reuid", self._user, "--regid", str(_group(self._user)),
                   "--clear-groups", "--pdeathsig", "KILL"] if self._user else []  # fmt: skip
        return [*as_user, str(self._programs / name), *arguments]

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            self._command(name, *arguments), cwd=self.folder, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert not done.returncode, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {**self._settings, "port": str(self.port), "unix_socket_directories": ""}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self.folder / "data"), *words)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                return psycopg.connect(self.owner("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self, is_killed: bool = False) -> None:
        """End it at once: its clients lose their connections."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.kill() if is_killed else self._process.send_signal(2)
        self._process.wait()

    def owner(self, database: str) -> str:
        """Where its owner connects to a database, with the password."""
        return f"postgresql://owner:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The name of a new one."""
        self._made += 1
        name = f"board_{self._made}"
        with psycopg.connect(self.owner("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    @property
    def version(self) -> str:
        """Of the server, such as 15.18."""
        with psycopg.connect(self.owner("postgres")) as connection:
            return str(connection.info.parameter_status("server_version")).split()[0]

    def address(self, database: str) -> str:
        """What an operator types."""
        return f"postgresql://owner@127.0.0.1:{self.port}/{database}"


@contextlib.contextmanager
def running(settings: dict[str, str] | None = None) -> Iterator[Server]:
    """A server until the block ends; libpq finds its password by PGPASSWORD."""
    require_programs()
    folder = Path(tempfile.mkdtemp(prefix="quorate-postgresql-"))
    before = os.environ.get("PGPASSWORD")
    try:
        if user := _user_for(folder):
            shutil.chown(folder, user, _group(user))
        server = Server(folder, settings)
        os.environ["PGPASSWORD"] = PASSWORD
        try:
            yield server
        finally:
            server.stop()
    finally:
        os.environ.pop("PGPASSWORD")
        if before is not None:
            os.environ["PGPASSWORD"] = before
        shutil.rmtree(folder)


def _user_for(folder: Path) -> str:
    """PostgreSQL does not run as root: another user then, else ourselves."""
    if os.geteuid():
        return ""
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
