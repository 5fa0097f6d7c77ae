"""The command ``quorate-aggregator``; what its errors say is in ``aggregator.cli.sentences``."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import ssl
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer
from typer.core import TyperGroup

from aggregator.cli.event_log import start_log
from aggregator.cli.sentences import (
    AnotherAggregator,
    AnotherFederation,
    BadTermsFile,
    NotYetReady,
    UnfitTerms,
    sentences,
)
from aggregator.cli.terminal import say, say_json
from aggregator.errors import AggregatorError, StoreFull
from aggregator.identity import (
    CARD_NAME,
    TlsFiles,
    certificate_pin,
    create,
    load_key,
    own_tls,
    tls_context,
)
from aggregator.record.export import export as export_record
from aggregator.record.output import RecordOutput
from aggregator.server.server import Server
from aggregator.server.service import Aggregator
from aggregator.status.file import read_status, remove_status
from aggregator.status.stored import stored_report
from aggregator.status.text import render
from aggregator.store.lock import hold, holder
from protocol.errors import BadTerms, ProtocolError, UnsignedTerms, WrongKind
from protocol.programs.file_kind import Kind, kind_of_data
from protocol.programs.look import kind_of
from protocol.programs.streams import LOST_REMEDY, lost, make_lasting
from protocol.signing import public_bytes
from protocol.terms.terms import Terms, parse, require_signed
from protocol.words.foreign import decoded, lines, pasted

FAILED = 1
_MAX_TERMS_BYTES = 1 << 20
_SERVING = "serve"
_LINE_SECONDS = 5.0  # between two lines about a long export

log = logging.getLogger("quorate.aggregator")


class HintingGroup(TyperGroup):
    """Adds to a word too many what may have been meant."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            message = getattr(error, "message", None)
            if isinstance(message, str) and "unexpected extra argument" in message:
                error.message = f"{message}. {_EXTRA}"  # type: ignore[attr-defined]
            raise


_EXTRA = "After the command comes federation.toml alone. A data folder is given as --data FOLDER"

app = typer.Typer(
    cls=HintingGroup,
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
    folder = _data_folder(data)
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
    folder = _data_folder(data)
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
    with hold(folder, _SERVING):
        remove_status(folder)
        aggregator = Aggregator(terms, key, _store_folder(folder, terms), _now_ms, _steady_ms)
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
    folder = _data_folder(data)
    terms = _read_terms(federation)
    stored = _store_folder(folder, terms)
    if not stored.exists():
        load_key(folder)  # is this a data folder at all?
    running_since: str | None = None
    if (held := holder(folder)) is None:
        report = stored_report(stored, terms, _now_ms)
    else:
        found = read_status(folder)
        if held[1] != _SERVING or found is None or found.get("pid") != held[0]:
            raise NotYetReady
        if found["fingerprint"] != terms.federation.hex():
            raise AnotherFederation(str(found["federation"]))
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

    folder = _store_folder(_data_folder(data), terms)
    head = export_record(folder, terms, signatures, RecordOutput(out), tell)
    say(f"Record of {terms.name}: {out}")
    say(f"  entries  {head.position}, up to {head.hash.hex()[:16]}")
    names = f"{pasted(federation)} --out {pasted(out)}"
    say(f"Next, each hospital: quorate-participant export {names}")
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


def _data_folder(data: Path) -> Path:
    """Raises WrongKind on what is known to be something else."""
    folder = _at_home(data)
    if (found := kind_of(folder)) not in (None, Kind.FOLDER, Kind.SERVICE):
        raise WrongKind(str(folder), str(found), "data")
    return folder


def _read_terms(path: Path) -> Terms:
    return _read_signed(path)[0]


def _read_signed(path: Path) -> tuple[Terms, dict[str, bytes]]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_TERMS_BYTES + 1)
        if (found := kind_of_data(data)) not in (None, Kind.TERMS):
            raise WrongKind(str(path), str(found), "terms")
        if len(data) > _MAX_TERMS_BYTES:
            raise BadTermsFile(path, f"it has more than {_MAX_TERMS_BYTES} bytes")
        terms, signatures = parse(decoded(data))
        require_signed(terms, signatures)
    except UnicodeDecodeError:
        raise BadTermsFile(path, "it is not text in UTF-8") from None
    except IsADirectoryError:
        raise WrongKind(str(path), kind_of(path) or Kind.FOLDER, "terms") from None
    except OSError as error:
        raise BadTermsFile(path, (error.strerror or str(error)).lower()) from None
    except (BadTerms, UnsignedTerms) as error:
        raise UnfitTerms(path, error) from None
    return terms, signatures


def _at_home(path: Path) -> Path:
    """A path with its ``~`` in full; raises StoreFull where nobody knows where that is."""
    try:
        return path.expanduser()
    except RuntimeError:
        who = path.parts[0][1:] or "this user (HOME is not set)"
        raise StoreFull(path, f"there is no home folder of {who}", errno.ENOENT) from None


def _store_folder(data: Path, terms: Terms) -> Path:
    """Each federation has its own board, as each participant's home has."""
    return data / terms.federation.hex()[:16]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _fail(what: str, remedy: str) -> NoReturn:
    say(f"quorate-aggregator: {what}", err=True)
    say(f"  {remedy}", err=True)
    sys.exit(FAILED)


def _keep_traceback() -> str:
    """Where the details of an internal error are, in words."""
    name = f"quorate-aggregator-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    with contextlib.suppress(OSError):
        Path(name).write_text(lines(traceback.format_exc()))
        return f"The details are in {Path(name).resolve()}. Please report it with them."
    return "Please report it."


def main() -> None:
    """Run the command; every error is a sentence and an exit code."""
    make_lasting()
    try:
        app()
    except (AggregatorError, ProtocolError) as error:
        _fail(*sentences(error))
    except OSError as error:  # of a path that nothing else has named
        name = error.filename if isinstance(error.filename, str | Path) else "this machine"
        _fail(*sentences(StoreFull.of(Path(name), error)))
    except MemoryError:
        _fail("There is not enough memory.", "Close other programs, then start again.")
    except Exception as error:
        _fail(f"Internal error: {type(error).__name__}: {error}.", _keep_traceback())
    except SystemExit as leaving:
        if (reason := lost()) and not leaving.code:
            _fail(f"A part of the output could not be written: {reason}.", LOST_REMEDY)
        raise
