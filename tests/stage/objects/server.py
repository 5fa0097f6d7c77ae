"""An S3 server of the tests' own, moto's, as a process that listens on this machine alone."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from examples.demo.processes import free_port

SECRET = "s3cret-of-the-tests"
_NEEDED = "moto", "flask", "flask_cors", "obstore"
_MAIN = "from moto.server import main; main()"
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}


def require_packages() -> None:
    """Where they are missing, tests are skipped, but never in CI."""
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        said = f"nothing is tested with object stores: {', '.join(missing)} not installed"
        if os.environ.get("QUORATE_CI"):
            pytest.fail(said)
        warnings.warn(said, stacklevel=1)
        pytest.skip(said)


class ObjectServer:
    """It forgets all objects when it is stopped; freezing is what an outage is."""

    def __init__(self) -> None:
        require_packages()
        self.port, self._made = free_port(), 0
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> Any:
        """What the bucket's administrator uses."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="administrator",
            aws_secret_access_key="x",
            region_name="us-east-1",
        )

    def new_bucket(self) -> str:
        """The address of a prefix in a new one."""
        self._made += 1
        name = f"bucket-{self._made}"
        self.client.create_bucket(Bucket=name)
        return f"s3://{name}/some/prefix"

    def objects(self, address: str) -> dict[str, int]:
        """The whole keys of a bucket's objects, with their sizes."""
        found = self.client.list_objects_v2(Bucket=bucket_of(address))
        return {each["Key"]: each["Size"] for each in found.get("Contents", ())}

    def require_keys(self, after: int) -> None:
        """Look at who asks, from so many requests on; -1: no longer."""
        data = str(after if after >= 0 else 1 << 60).encode()
        url, kind = f"{self.url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, data, kind), timeout=30).close()

    def powerless_user(self) -> tuple[str, str]:
        """The key and secret of somebody who exists and may do nothing."""
        import boto3

        found = boto3.client(
            "iam",
            endpoint_url=self.url,
            aws_access_key_id="administrator",
            aws_secret_access_key="x",
            region_name="us-east-1",
        )
        found.create_user(UserName="nobody")
        key = found.create_access_key(UserName="nobody")["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5).close()
                return process
            except (urllib.error.URLError, OSError):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def bucket_of(address: str) -> str:
    return address.removeprefix("s3://").partition("/")[0]


@contextlib.contextmanager
def running() -> Iterator[ObjectServer]:
    """A server until the block ends; the environment names it, and has keys for it."""
    server = ObjectServer()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in [n for n in os.environ if n.startswith("AWS_")]:
                patch.delenv(name)
            for name, value in {**KEYS, "AWS_ENDPOINT_URL": server.url}.items():
                patch.setenv(name, value)
            yield server
    finally:
        server.stop()
