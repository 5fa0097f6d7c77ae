"""The command ``quorate-aggregator``; what its errors say is in ``aggregator.cli.sentences``."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
import traceback
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from aggregator.cli.event_log import start_log
from aggregator.cli.sentences import sentences
from aggregator.cli.terminal import say, say_json
from aggregator.errors import AggregatorError, LeadLost, StoppedWaiting, StoreFull
from aggregator.identity import CARD_NAME, TlsFiles
from aggregator.server import Aggregation
from aggregator.status import render
from aggregator.sums import SumsTls
from protocol.errors import ProtocolError
from protocol.programs.streams import LOST_REMEDY, lost, make_lasting
from protocol.words import lines, pasted

FAILED = 1
log = logging.getLogger("quorate.aggregator")
_LINE_SECONDS = 5.0  # between two lines about a long export


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
Board = Annotated[
    str | None,
    typer.Option(
        "--board",
        envvar="QUORATE_AGGREGATOR_BOARD",
        metavar="postgresql://...",
        help="PostgreSQL with the board, without a password; else it is in the data folder.",
    ),
]
Blobs = Annotated[
    str | None,
    typer.Option(
        "--blobs",
        envvar="QUORATE_AGGREGATOR_BLOBS",
        metavar="s3://...",
        help="Bucket with the blobs (s3://, gs://, az://); else they are in the data folder.",
    ),
]
DEFAULT_DATA = Path("~/.quorate-aggregator")


@app.command()
def init(
    host: Annotated[str, typer.Option(help="Name or address at which members reach the service.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the service.")] = 8443,
    name: Annotated[str, typer.Option(help="Name in the certificate, the host if empty.")] = "",
    tls_cert: Annotated[
        Path | None, typer.Option(help="Pin this certificate's key instead of making one.")
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make the aggregator's key, certificate and card."""
    card = Aggregation.init(data, host, port, name, tls_cert)
    say(f"card: {data.expanduser() / CARD_NAME}")
    say(f"url:  {card.url}")
    say("Give the card to whoever writes the terms (quorate-participant terms new).")


class Trust(StrEnum):
    """How members know the server at the address."""

    PUBLIC = "public"
    PINNED = "pinned"


@app.command()
def card(
    tls: Annotated[
        Trust, typer.Option(help="public: authorities vouch for it. pinned: its key is named.")
    ],
    url: Annotated[str, typer.Option(help="wss://host:port, by default the last card's.")] = "",
    tls_cert: Annotated[
        Path | None, typer.Option(help="Pin this certificate's key, by default that of init.")
    ] = None,
    number: Annotated[
        int | None, typer.Option(help="A higher number than the next, if others were given out.")
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make a newer card, before the service moves. A running service offers it to all members."""
    if tls_cert is not None and tls is Trust.PUBLIC:
        raise typer.BadParameter("a certificate is pinned only with --tls pinned")
    made = Aggregation.card(data, url, tls is Trust.PUBLIC, tls_cert, number)
    say(f"card: {data.expanduser() / CARD_NAME} (number {made.number})")
    say(f"url:  {made.url}")
    say("A service that runs on this folder offers it to the members that are connected. Others")
    say("get the file: quorate-participant address federation.toml --take aggregator.toml")


@app.command()
def serve(
    federation: Federation,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, by default the card's host.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port, by default the card's. 0 is any.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (chain) in PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key in PEM.")] = None,
    board: Board = None,
    blobs: Blobs = None,
    sums: Annotated[
        str | None,
        typer.Option(
            envvar="QUORATE_AGGREGATOR_SUMS",
            metavar="tls://...",
            help="Dask scheduler whose workers add long vectors; else they are added here.",
        ),
    ] = None,
    sums_ca: Annotated[
        Path | None,
        typer.Option(
            envvar="QUORATE_AGGREGATOR_SUMS_CA",
            help="Certificate in PEM that vouches for the scheduler.",
        ),
    ] = None,
    sums_cert: Annotated[
        Path | None,
        typer.Option(
            envvar="QUORATE_AGGREGATOR_SUMS_CERT", help="Certificate in PEM shown to the scheduler."
        ),
    ] = None,
    sums_key: Annotated[
        Path | None,
        typer.Option(envvar="QUORATE_AGGREGATOR_SUMS_KEY", help="Its private key in PEM."),
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Serve a federation until interrupted. With --board, stand by while another process does."""
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("give both --tls-cert and --tls-key, or neither")
    files = [path for path in (sums_ca, sums_cert, sums_key) if path is not None]
    if len(files) not in (0, 3) or (files and sums is None):
        raise typer.BadParameter("give --sums with --sums-ca, --sums-cert and --sums-key together")
    sums_tls = SumsTls(*files) if files else None
    service = Aggregation(federation, data, board, sums, sums_tls, blobs)
    tls = TlsFiles(tls_cert, tls_key) if tls_cert and tls_key else None
    start_log()
    asyncio.run(_serve(service, host, port, tls))


@app.command()
def status(
    federation: Federation,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    board: Board = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show who is missing since when, the ceremony's step and the rounds."""
    report = Aggregation(federation, data, board).status()
    since = str(report["running_since"]) if "running_since" in report else None
    report |= {"running": since is not None}
    if as_json:
        say_json(report)
    else:
        for row in render(report, since):
            say(row)


@app.command()
def export(
    federation: Federation,
    out: Annotated[Path, typer.Option(help="Folder of the record, made or extended.")],
    board: Board = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Write all that an auditor needs into a folder, also while the service runs."""
    service, told = Aggregation(federation, data, board), time.monotonic()

    def tell(what: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _LINE_SECONDS:
            told = time.monotonic()
            say(f"{done:,} of {total:,} {what} are written", err=True)

    head = service.export(out, tell)
    say(f"Record of {service.terms.name}: {out}")
    say(f"  entries  {head.position}, up to {head.hash.hex()[:16]}")
    names = f"{pasted(federation)} --out {pasted(out)}"
    say(f"Next, each hospital: quorate-participant export {names}")
    say("which checks it against what that hospital has seen, and countersigns it.")


async def _serve(service: Aggregation, *where: Any) -> None:
    ended = asyncio.Event()  # also between two leads, when there is nothing to stop

    def end() -> None:
        ended.set()
        service.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    with contextlib.suppress(StoppedWaiting):
        while not ended.is_set():
            try:
                async with service.serving(*where):
                    await service.stopped()
            except LeadLost as lost:
                log.warning("no longer leads: %s", lost)


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
