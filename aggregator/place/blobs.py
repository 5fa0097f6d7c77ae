"""Where a federation's whole blobs lie. The data folder has a note of it."""

import contextlib
from pathlib import Path

from aggregator.errors import BlobsRefused, StoreDamaged, StoreFull
from aggregator.objects import MOST_CHARACTERS, open_bucket, read_address
from aggregator.store import BlobFolder, WholeBlobs, disk_errors
from protocol.programs.temporary import aside

_NOTE, _BLOBS = "blobs-at", "blobs"


class PlaceOfBlobs:
    """The place that a service is told of. None of it is used unless the folder's note agrees."""

    def __init__(self, address: str | None, stored: Path, federation: bytes) -> None:
        """address: of a bucket, None for the data folder. Raises BlobsRefused."""
        self._stored, self._federation = stored, federation.hex()
        self._address = "" if address is None else read_address(address)
        self._is_checked = False

    def check(self) -> None:
        """Before a service begins for the first time; raises BlobsRefused, StoreDamaged."""
        self._require_same()
        if not self._is_checked and self._address:
            with contextlib.closing(open_bucket(self._below(self._address))) as bucket:
                bucket.check()
        self._is_checked = True

    def to_serve(self) -> WholeBlobs:
        """For the one process that works on the board. Raises BlobsRefused, StoreDamaged."""
        self._require_same()
        if not self._address:
            return BlobFolder(self._stored / _BLOBS)
        bucket = open_bucket(self._below(self._address))
        self._note()
        bucket.watch()
        return bucket

    def to_read(self) -> WholeBlobs:
        """For who only reads, wherever the folder's note says; raises as ``to_serve`` does."""
        return blobs_at(self._below(noted(self._stored)), self._stored)

    def _below(self, address: str) -> str:
        """No two federations' blobs are mixed up in one bucket: one may delete what it gave up."""
        return f"{address}/{self._federation}" if address else ""

    def _require_same(self) -> None:
        there = noted(self._stored)
        if there == self._address:
            return
        if there:
            raise BlobsRefused(there, "elsewhere", f"{self._stored / _NOTE} says so")
        if any((self._stored / _BLOBS).glob("??/*")):
            why = f"there are files in {self._stored / _BLOBS}"
            raise BlobsRefused("the data folder", "elsewhere", why)

    def _note(self) -> None:
        path = self._stored / _NOTE
        if noted(self._stored):
            return
        with disk_errors(path):
            self._stored.mkdir(mode=0o700, parents=True, exist_ok=True)
        with aside(path, StoreFull.of) as file:
            file.write(f"{self._address}\n".encode())
            file.take_name()


def noted(stored: Path) -> str:
    """The address in the note of such a folder; empty without one: in the folder itself.

    Raises StoreDamaged for a note that does not read.
    """
    path = stored / _NOTE
    try:
        with path.open("rb") as file:
            data = file.read(MOST_CHARACTERS + 2)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise StoreFull.of(path, error) from None
    try:
        return read_address(data.decode("ascii").strip())
    except (UnicodeDecodeError, BlobsRefused):
        raise StoreDamaged(str(path), "it does not say where blobs lie") from None


def blobs_at(place: str, stored: Path) -> WholeBlobs:
    """place: in a bucket, empty for the folder ``stored``. Raises BlobsRefused."""
    return open_bucket(place) if place else BlobFolder(stored / _BLOBS)
