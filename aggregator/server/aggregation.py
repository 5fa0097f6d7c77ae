"""The service of one federation on its data folder, for any program that has an event loop.

It puts no signal handler in place and writes to no stream: what it logs goes to the logger
``quorate.aggregator``. While it serves, what asyncio would log is counted and goes there too, and
this process may have as many open files as the system allows it.
"""

import asyncio
import contextlib
import errno
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.cards import Cards
from aggregator.errors import (
    AnotherAggregator,
    AnotherCertificate,
    AnotherFederation,
    NotYetReady,
    StoreFull,
    UnfitTerms,
)
from aggregator.identity import (
    CARD_NAME,
    NoIdentity,
    TlsFiles,
    certificate_pin,
    create,
    load_key,
    own_tls,
    read_card,
    tls_context,
)
from aggregator.place import PlaceOfBlobs, place_of_board
from aggregator.record import Progress, RecordOutput
from aggregator.record.export import export
from aggregator.server.server import Server
from aggregator.server.service import Aggregator
from aggregator.status import Report, read_status, remove_status, stored_report
from aggregator.store import BoardDatabase
from aggregator.sums import SumsTls, read_place, summation_at
from protocol.board import Head
from protocol.errors import BadTerms, UnsignedTerms, WrongKind
from protocol.programs.file_kind import Kind, kind_of, kind_of_data
from protocol.signing import public_bytes
from protocol.terms import PUBLIC, AddressCard, Terms, parse, require_signed
from protocol.words import decoded

_MAX_TERMS_BYTES = 1 << 20

logging.getLogger("quorate").addHandler(logging.NullHandler())  # else Python prints warnings
log = logging.getLogger("quorate.aggregator")


class Aggregation:
    """A federation's service, on the folder that ``init`` made.

    ::

        service = Aggregation("federation.toml", "data")
        async with service.serving() as port:
            await service.stopped()  # until somebody calls service.stop()
    """

    def __init__(
        self,
        federation: str | Path,
        folder: str | Path,
        board: str | None = None,
        sums: str | None = None,
        sums_tls: SumsTls | None = None,
        blobs: str | None = None,
    ) -> None:
        """federation: the terms, signed by all members. board: where it is, if not in the folder.

        sums: the address of a Dask scheduler whose workers add vectors, with certificates for it.
        blobs: the address of a bucket in which they are to lie, if not in the folder.
        Raises UnfitTerms, WrongKind, StoreFull for a ``~`` that is nowhere, and BoardRefused for
        what is no ``postgresql://`` address, or has a password in it. SumsRefused for what
        is no address of a scheduler, BlobsRefused for what is none of a bucket.
        """
        self.folder = _data_folder(folder)
        self.terms, self._signatures = _read_signed(Path(federation))
        self._stored = self.folder / self.terms.federation.hex()[:16]  # each has its own board
        self._board = place_of_board(board, self.folder, self._stored, self.terms.federation)
        self._blobs = PlaceOfBlobs(blobs, self._stored, self.terms.federation)
        self._sums = None if sums is None else read_place(sums, sums_tls), sums_tls
        self._running: Server | None = None
        self._stop: tuple[asyncio.Event, asyncio.AbstractEventLoop] | None = None

    @staticmethod
    def init(
        folder: str | Path, host: str, port: int = 8443, name: str = "", cert: Path | None = None
    ) -> AddressCard:
        """Make the key, the certificate and the card of a service; where members reach it.

        name: in the certificate, the host if empty. cert: a certificate in PEM whose key is pinned
        instead of a new one. Raises BadHost, IdentityExists, NoIdentity, WrongKind and StoreFull.
        """
        return create(_data_folder(folder), name, host, port, cert)

    @staticmethod
    def card(
        folder: str | Path,
        url: str = "",
        is_public: bool = False,
        cert: Path | None = None,
        number: int | None = None,
    ) -> AddressCard:
        """Make a newer card: where members will reach the service; a running one offers it to them.

        url: of the last card if empty. is_public: the public certificate authorities vouch for that
        host; else the key of ``cert`` is pinned, or of the certificate that ``init`` made. number:
        a higher one than the next. Raises BadAddress, NoIdentity, WrongKind and StoreFull.
        """
        place = _data_folder(folder)
        cards = Cards(load_key(place), place)
        pin = PUBLIC if is_public else certificate_pin(cert or own_tls(place).certificate)
        return cards.make(url or cards.newest.url, pin, number)

    @contextlib.asynccontextmanager
    async def serving(
        self, host: str | None = None, port: int | None = None, tls: TlsFiles | None = None
    ) -> AsyncIterator[int]:
        """Serve while the block runs; the port. One at a time serves a board.

        On a folder another one is refused. In PostgreSQL it stands by until it leads.

        host, port: where to listen, if not where the newest card says; 0 is any free port. tls:
        other files than ``init`` made. The stored board is read first, and the loop waits for that.
        Raises AnotherAggregator, AnotherCertificate, NoIdentity, AlreadyRunning, StoreDamaged,
        StoreFull, CannotListen, SumsRefused and BlobsRefused. With PostgreSQL also BoardRefused,
        LeadLost and StoppedWaiting.
        """
        key, files = load_key(self.folder), tls or own_tls(self.folder)
        if public_bytes(key) != self.terms.aggregator_key:
            raise AnotherAggregator(self.folder)
        cards = Cards(key, self.folder)
        card = cards.newest
        if not (card.is_public or cards.pins(certificate_pin(files.certificate))):
            raise AnotherCertificate(files.certificate, card.number)
        context, url = tls_context(files), urlsplit(card.url)
        address = host or url.hostname or "localhost", url.port or 443 if port is None else port
        self._blobs.check()
        self._stop = stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with self._board.at_work(stop) as (database, lead):
            remove_status(self.folder)
            with self._core(key, database) as core:
                server = Server(core, cards, self.folder)
                async with server.listening(*address, context) as found:
                    self._running = server
                    self._where = f"{address[0]} port {found}"
                    if lead is not None:
                        lead.tell(lambda lost: loop.call_soon_threadsafe(server.fail, lost))
                    try:
                        yield found
                    finally:
                        self._running = None
                log.info("%s: stopped", self.terms.name)

    @contextlib.contextmanager
    def _core(self, key: Ed25519PrivateKey, database: BoardDatabase | None) -> Iterator[Aggregator]:
        """The service without sockets; at the end it lets go of all that it has opened."""
        with (
            contextlib.closing(self._blobs.to_serve()) as whole,
            contextlib.closing(summation_at(*self._sums)) as summation,
        ):
            stored = self._stored, _now_ms, _steady_ms, database, summation, whole
            with contextlib.closing(Aggregator(self.terms, key, *stored)) as core:
                yield core

    async def stopped(self) -> None:
        """Wait for ``stop``, while it serves; raises StoreDamaged or LeadLost if that comes first.

        After LeadLost ``serving`` stands by again.
        """
        if self._running is not None and self._stop is not None:
            log.info("%s: serving on %s", self.terms.name, self._where)
            await self._running.until(self._stop[0])

    def stop(self) -> None:
        """Let ``stopped`` return, and ``serving`` no longer stand by; from any thread."""
        if self._stop is not None:
            event, loop = self._stop
            loop.call_soon_threadsafe(event.set)

    def status(self) -> Report:
        """How things stand, by the service at work on this board, else by what is stored.

        ``running_since`` is there while it serves. Raises NotYetReady, AnotherFederation,
        NoIdentity, StoreDamaged, StoreFull, BoardRefused and BlobsRefused.
        """
        if not self._stored.exists():
            load_key(self.folder)  # is this a data folder at all?
        if (process := self._board.served_by()) is None:
            tables, blobs = self._board.to_read(), self._blobs.to_read()
            return stored_report(
                self._stored, self.terms, _now_ms, self._newest_card(), tables, blobs
            )
        found = read_status(self.folder)
        if found is None or found.get("pid") != process:
            raise NotYetReady
        if found["fingerprint"] != self.terms.federation.hex():
            raise AnotherFederation(str(found["federation"]))
        return found

    def _newest_card(self) -> AddressCard | None:
        """The card that people hand on, None where it is gone or does not read."""
        with contextlib.suppress(NoIdentity):
            return read_card(self.folder / CARD_NAME)
        return None

    def export(self, out: str | Path, progress: Progress = lambda what, done, total: None) -> Head:
        """Write all that an auditor needs into a folder, also while it serves; the board's head.

        Raises NoBoard, StoreDamaged, StoreFull, WrongKind, UnfitRecord, Fork, BoardRefused and
        BlobsRefused.
        """
        files = RecordOutput(Path(out))
        board, blobs = self._board.to_read(), self._blobs.to_read()
        return export(self._stored, self.terms, self._signatures, files, progress, board, blobs)


def _data_folder(path: str | Path) -> Path:
    """A path with its ``~`` in full; raises StoreFull where nobody knows where that is.

    Raises WrongKind on what is known to be something else.
    """
    path = Path(path)
    try:
        folder = path.expanduser()
    except RuntimeError:
        who = path.parts[0][1:] or "this user (HOME is not set)"
        raise StoreFull(path, f"there is no home folder of {who}", errno.ENOENT) from None
    if (found := kind_of(folder)) not in (None, Kind.FOLDER, Kind.SERVICE):
        raise WrongKind(str(folder), str(found), "data")
    return folder


def _read_signed(path: Path) -> tuple[Terms, dict[str, bytes]]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_TERMS_BYTES + 1)
        if (found := kind_of_data(data)) not in (None, Kind.TERMS):
            raise WrongKind(str(path), str(found), "terms")
        if len(data) > _MAX_TERMS_BYTES:
            raise UnfitTerms(path, f"it has more than {_MAX_TERMS_BYTES} bytes")
        text = parse(decoded(data))
        require_signed(text.terms, text.signatures)
    except UnicodeDecodeError:
        raise UnfitTerms(path, "it is not text in UTF-8") from None
    except IsADirectoryError:
        raise WrongKind(str(path), kind_of(path) or Kind.FOLDER, "terms") from None
    except OSError as error:
        raise UnfitTerms(path, (error.strerror or str(error)).lower()) from None
    except (BadTerms, UnsignedTerms) as error:
        raise UnfitTerms(path, error) from None
    return text.terms, text.signatures


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000
