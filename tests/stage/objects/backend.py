"""The places where whole blobs may lie, each as the tests of all of them see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aggregator.objects import open_bucket
from aggregator.store import BlobFolder, WholeBlobs
from tests.stage.objects.server import ObjectServer, bucket_of


class BlobBackend(Protocol):
    """Starts empty."""

    def open(self) -> WholeBlobs:
        """What a service uses; who opens another one has closed the last, or it has died."""

    def change(self, digest: bytes, data: bytes | None) -> None:
        """What somebody does with a blob beside the service; None: delete it."""

    def there(self) -> Sequence[tuple[bytes, int]]:
        """The names and sizes of all that lies there."""


@dataclass
class InAFolder:
    """``folder`` is the service's."""

    folder: Path

    def open(self) -> WholeBlobs:
        return BlobFolder(self.folder / "blobs")

    def change(self, digest: bytes, data: bytes | None) -> None:
        path = self.folder / "blobs" / digest.hex()[:2] / digest.hex()
        if data is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def there(self) -> Sequence[tuple[bytes, int]]:
        paths = (self.folder / "blobs").glob("*/*")
        return [(bytes.fromhex(path.name), path.stat().st_size) for path in paths]


class InABucket:
    """With a prefix of its own."""

    def __init__(self, server: ObjectServer, address: str = "") -> None:
        """address: of one that is there, else a new one is made."""
        self.server, self.address = server, address or server.new_bucket()

    def open(self) -> WholeBlobs:
        return open_bucket(self.address)

    def change(self, digest: bytes, data: bytes | None) -> None:
        prefix = self.address.partition("://")[2].partition("/")[2]
        where = {
            "Bucket": bucket_of(self.address),
            "Key": f"{prefix}/{digest.hex()[:2]}/{digest.hex()}",
        }
        if data is None:
            self.server.client.delete_object(**where)
        else:
            self.server.client.put_object(Body=data, **where)

    def there(self) -> Sequence[tuple[bytes, int]]:
        found = self.server.objects(self.address)
        return [(bytes.fromhex(key.rpartition("/")[2]), size) for key, size in found.items()]
