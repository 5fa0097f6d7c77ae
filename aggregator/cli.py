"""The command ``quorate-aggregator``; the only place where an error becomes a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from aggregator.errors import AggregatorError, NoBoard, StoreDamaged, StoreFull
from aggregator.event_log import start_log
from aggregator.export import export as export_record
from aggregator.identity import (
    CARD_NAME,
    BadHost,
    IdentityExists,
    NoIdentity,
    TlsFiles,
    certificate_pin,
    create,
    load_key,
    own_tls,
    tls_context,
)
from aggregator.lock import AlreadyRunning, hold
from aggregator.record_output import RecordOutput
from aggregator.server import CannotListen, Server
from aggregator.service import Aggregator
from aggregator.status_file import read_status, remove_status
from aggregator.status_text import render
from aggregator.terminal import escape_what_streams_lack, say, say_json
from protocol.errors import (
    BadTerms,
    Fork,
    NotThisRecord,
    ProtocolError,
    UnfitHead,
    UnsignedTerms,
)
from protocol.foreign import decoded, lines
from protocol.signing import public_bytes
from protocol.terms import Terms, parse, require_signed

FAILED = 1
_MAX_TERMS_BYTES = 1 << 20
_SERVING, _LOOKING = "serve", "status"
_LINE_SECONDS = 5.0  # between two lines about a long export

log = logging.getLogger("quorate.aggregator")
app = typer.Typer(
    help="The service between the hospitals of a federation: it orders, keeps and adds.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="QUORATE_AGGREGATOR_DATA",
        help="Folder with the key, the certificate and everything stored.",
    ),
]
Federation = Annotated[Path, typer.Argument(metavar="federation.toml", help="The signed terms.")]
DEFAULT_DATA = Path("~/.quorate-aggregator")


class BadTermsFile(AggregatorError):
    """A file of terms that cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class AnotherAggregator(AggregatorError):
    """The terms name another aggregator; ``field`` is the one that differs."""

    def __init__(self, field: str, path: Path) -> None:
        super().__init__(f"{field}: {path}")
        self.field, self.path = field, path


class AnotherFederation(AggregatorError):
    """The running service on this folder serves other terms."""

    def __init__(self, served: str) -> None:
        super().__init__(served)
        self.served = served


class NotYetReady(AggregatorError):
    """A service that has just started and has not reported yet."""


@app.command()
def init(
    host: Annotated[str, typer.Option(help="Name or address at which members reach the service.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the service.")] = 8443,
    name: Annotated[str, typer.Option(help="Name in the certificate; the host if empty.")] = "",
    tls_cert: Annotated[
        Path | None, typer.Option(help="Pin this certificate's key instead of making one.")
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make the aggregator's key, certificate and card."""
    folder = data.expanduser()
    address = create(folder, name, host, port, tls_cert)
    say(f"card: {folder / CARD_NAME}")
    say(f"url:  {address.url}")
    say("Give the card to whoever writes the terms (quorate-participant terms new).")


@app.command()
def serve(
    federation: Federation,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default: the terms' host.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; default: the terms'; 0: any.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (chain) in PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key in PEM.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Serve a federation until interrupted."""
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("give both --tls-cert and --tls-key, or neither")
    folder = data.expanduser()
    terms = _read_terms(federation)
    key = load_key(folder)
    tls = TlsFiles(tls_cert, tls_key) if tls_cert and tls_key else own_tls(folder)
    if public_bytes(key) != terms.aggregator.key:
        raise AnotherAggregator("key", folder)
    if certificate_pin(tls.certificate) != terms.aggregator.certificate_pin:
        raise AnotherAggregator("certificate_pin", tls.certificate)
    context = tls_context(tls)
    url = urlsplit(terms.aggregator.url)
    address = host or url.hostname or "localhost", url.port or 443 if port is None else port
    start_log()
    # A look at the status holds the folder for a moment; a service, for as long as it lives.
    with hold(folder, _SERVING, _LOOKING):
        remove_status(folder)
        aggregator = Aggregator(terms, key, _store_folder(folder, terms), _now_ms)
        try:
            asyncio.run(_serve(aggregator, folder, address, context))
        finally:
            aggregator.close()


@app.command()
def status(
    federation: Federation,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show who is missing since when, the ceremony's step and the rounds."""
    folder = data.expanduser()
    terms = _read_terms(federation)
    key = load_key(folder)
    running_since: str | None = None
    try:
        with hold(folder, _LOOKING, _LOOKING):
            aggregator = Aggregator(terms, key, _store_folder(folder, terms), _now_ms)
            report = aggregator.status({})
            aggregator.close()
    except AlreadyRunning as running:
        found = read_status(folder)
        if running.command != _SERVING or found is None or found.get("pid") != running.pid:
            raise NotYetReady from None
        if found["fingerprint"] != terms.federation.hex():
            raise AnotherFederation(str(found["federation"])) from None
        report, running_since = found, str(found["running_since"])
    report = report | {"running": running_since is not None}
    if as_json:
        say_json(report)
    else:
        for row in render(report, running_since):
            say(row)


@app.command()
def export(
    federation: Federation,
    out: Annotated[Path, typer.Option(help="Folder of the record, made or extended.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Write all that an auditor needs into a folder, also while the service runs."""
    terms, signatures = _read_signed(federation)
    told = time.monotonic()

    def tell(what: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _LINE_SECONDS:
            told = time.monotonic()
            say(f"{done:,} of {total:,} {what} are written", err=True)

    folder = _store_folder(data.expanduser(), terms)
    head = export_record(folder, terms, signatures, RecordOutput(out), tell)
    say(f"Record of {terms.name}: {out}")
    say(f"  entries  {head.position}, up to {head.hash.hex()[:16]}")
    say("Next, each hospital: quorate-participant export federation.toml --out RECORD")
    say("which checks it against what that hospital has seen, and countersigns it.")


async def _serve(
    aggregator: Aggregator, folder: Path, address: tuple[str, int], tls: ssl.SSLContext
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = Server(aggregator, folder)
    async with server.listening(*address, tls) as port:
        log.info("%s: serving on %s port %d", aggregator.terms.name, address[0], port)
        await server.until(stop)
    log.info("%s: stopped", aggregator.terms.name)


def _read_terms(path: Path) -> Terms:
    return _read_signed(path)[0]


def _read_signed(path: Path) -> tuple[Terms, dict[str, bytes]]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_TERMS_BYTES + 1)
        if len(data) > _MAX_TERMS_BYTES:
            raise BadTermsFile(path, f"it has more than {_MAX_TERMS_BYTES} bytes")
        terms, signatures = parse(decoded(data))
    except UnicodeDecodeError:
        raise BadTermsFile(path, "it is not text in UTF-8") from None
    except OSError as error:
        raise BadTermsFile(path, (error.strerror or str(error)).lower()) from None
    require_signed(terms, signatures)
    return terms, signatures


def _store_folder(data: Path, terms: Terms) -> Path:
    """Each federation has its own board, as each participant's home has."""
    return data / terms.federation.hex()[:16]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def sentences(error: AggregatorError | ProtocolError) -> tuple[str, str]:
    """What went wrong and for whom; and what to do about it."""
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            return sentence(error)
    return str(error), "This should not have happened; please report it."


def _unsigned(error: UnsignedTerms) -> tuple[str, str]:
    found = []
    if error.missing:
        found.append(f"the signature of {', '.join(error.missing)} is missing")
    if error.wrong:
        found.append(f"the signature of {', '.join(error.wrong)} does not fit: altered terms?")
    return (
        f"The terms are not signed by all: {'; '.join(found)}.",
        "Have them sign this very file with: quorate-participant terms sign federation.toml",
    )


def _another(error: AnotherAggregator) -> tuple[str, str]:
    return (
        f"The terms name another aggregator: {error.path} does not fit aggregator.{error.field}.",
        "Give the --data folder (and --tls-cert) whose card went into the terms; or make new terms "
        "with this card and have all members sign them.",
    )


def _cannot_listen(error: CannotListen) -> tuple[str, str]:
    if error.in_use:
        return (
            f"Port {error.port} on {error.host} is taken by another process.",
            "Stop that process, or give another --port that members' connections are led to.",
        )
    return (
        f"Cannot listen on {error.host} port {error.port}: {error.reason}.",
        "If this machine does not have that address itself, listen on all: --host 0.0.0.0",
    )


_SENTENCES: dict[type[Exception], Callable[..., tuple[str, str]]] = {
    UnsignedTerms: _unsigned,
    AnotherAggregator: _another,
    CannotListen: _cannot_listen,
    BadTerms: lambda e: (
        f"The terms are not valid: {e.field}: {e.reason}.",
        "Correct the file, and have all members sign it.",
    ),
    BadTermsFile: lambda e: (
        f"The terms {e.path} cannot be read: {e.reason}.",
        "Give the federation.toml that all members have signed.",
    ),
    AnotherFederation: lambda e: (
        f"The service running on this folder serves {e.served} under other terms.",
        "Give the federation.toml that it was started with.",
    ),
    NotYetReady: lambda e: (
        "The service is starting and has not reported yet.",
        "Ask again in a few seconds.",
    ),
    AlreadyRunning: lambda e: (
        f"{e.path.parent} is in use by process {e.pid} (quorate-aggregator {e.command}).",
        "Stop that process first, or give another --data folder.",
    ),
    IdentityExists: lambda e: (
        f"{e.path} is there already, and is never overwritten.",
        "Use it as it is, or give another --data folder.",
    ),
    NoIdentity: lambda e: (
        f"{e.path} does not give {e.what}: {e.reason}.",
        "Give the right --data folder (or --tls-cert and --tls-key), or make one with: "
        "quorate-aggregator init",
    ),
    BadHost: lambda e: (
        f"{e.host!r} is neither a host name nor an address.",
        "Give --host without scheme, port or path, such as aggregator.example.org",
    ),
    StoreDamaged: lambda e: (
        f"What is stored is damaged: {e.what}: {e.reason}. The service does not go on with it.",
        "Restore the data folder from a backup that is not older than the last post, then start "
        "again; no key share and no model is lost, members wait.",
    ),
    NoBoard: lambda e: (
        f"Nothing is stored of this federation: there is no board in {e.folder}.",
        "Give the --data folder that the service was started with, and the same federation.toml.",
    ),
    NotThisRecord: lambda e: (
        f"The folder does not hold a record of these terms: {e.path}: {e.reason}.",
        "Nothing was changed there; give another folder as --out, or move that one away.",
    ),
    UnfitHead: lambda e: (
        f"{e.path} is no countersignature of member {e.member}: {e.reason}.",
        "Ask that member for it again, or take the file away.",
    ),
    Fork: lambda e: (
        f"The record has forked from this board at entry {e.position}: {e.reason}.",
        "Nothing was changed there. Compare the heads with the members': either the data folder is "
        "an older copy, which a backup must replace, or somebody has shown two boards.",
    ),
    StoreFull: lambda e: (
        f"{e.path} cannot be written: {e.reason}.",
        "Make room or set the permissions right, then start again; nothing acknowledged is lost.",
    ),
}


def _fail(what: str, remedy: str) -> NoReturn:
    say(f"quorate-aggregator: {what}", err=True)
    say(f"  {remedy}", err=True)
    sys.exit(FAILED)


def _keep_traceback() -> str:
    """Where the details of an internal error are, in words."""
    name = f"quorate-aggregator-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    with contextlib.suppress(OSError):
        Path(name).write_text(lines(traceback.format_exc()))
        return f"The details are in {Path(name).resolve()}; please report it with them."
    return "Please report it."


def main() -> None:
    """Run the command; every error is a sentence and an exit code."""
    escape_what_streams_lack()
    try:
        app()
    except (AggregatorError, ProtocolError) as error:
        _fail(*sentences(error))
    except Exception as error:
        _fail(f"Internal error: {type(error).__name__}: {error}.", _keep_traceback())
