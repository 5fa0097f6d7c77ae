# SPDX-License-Identifier: Apache-2.0
"""``python -m quorate_flower.gate``: options, start and end."""

import argparse
import asyncio
import ipaddress
import logging
import signal
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.supercore.primitives.asymmetric import generate_key_pairs

from quorate_flower.gate.courier import Courier
from quorate_flower.gate.errors import BadCertificate, CannotStart, SuperLinkAway
from quorate_flower.gate.gate import Gate
from quorate_flower.gate.listener import Listener
from quorate_flower.gate.reply import COUNTS, is_object_id
from quorate_flower.gate.superlink import SuperLink

LOGGER = logging.getLogger("quorate.gate")
LISTEN = "127.0.0.1:9100"
ABOUT = """\
The hospital's gateway between its SuperNode and the SuperLink. It lets in only the apps that you
list, and lets out no arrays: of a reply only numbers that you list, a count of 1, and quorate's
receipt leave. The ServerApp is told of each refusal with an error in place of a reply.

Start the SuperNode with --insecure --superlink and the address of --listen. Let the hospital's
firewall allow the way to the SuperLink to the gate alone: the gate does not see what goes around
it."""


@dataclass(frozen=True)
class Settings:
    """What the gate is started with. tls: None for plaintext. key: None for one made now."""

    listen: tuple[str, int]
    superlink: str
    tls: ssl.SSLContext | None
    key: ec.EllipticCurvePrivateKey | None
    apps: frozenset[str]
    metrics: frozenset[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gate until it is interrupted; returns an exit status."""
    try:
        logging.basicConfig(format="%(asctime)s gate: %(message)s", stream=sys.stderr)
        LOGGER.setLevel(logging.INFO)
        settings = read_settings(arguments)
        asyncio.run(serve(settings))
        return 0
    except CannotStart as error:
        print(f"quorate gate: {error}", file=sys.stderr)
        return 1


def read_settings(arguments: Sequence[str] | None) -> Settings:
    """Raises CannotStart, and SystemExit for --help and what is no option."""
    given = _parser().parse_args(arguments)
    apps = frozenset(app.lower() for app in given.app)
    for app in sorted(apps):
        if not is_object_id(app):
            raise CannotStart(
                f"--app {app} is no SHA-256: give the 64 digits that sha256sum prints for "
                "the app's .fab file"
            )
    metrics = frozenset(name for part in given.metrics.split(",") if (name := part.strip()))
    if metrics & COUNTS:
        raise CannotStart("--metrics lists a number of examples, which leaves as 1: take it out")
    superlink, listen = _address("--superlink", given.superlink), _address("--listen", given.listen)
    if given.insecure and not _is_loopback(superlink[0]):
        raise CannotStart(
            f"--insecure is for a SuperLink on this computer, and {superlink[0]} is not: leave it "
            "out, and give --root-certificates if the SuperLink has an authority of its own"
        )
    if given.insecure and given.root_certificates:
        raise CannotStart("--insecure and --root-certificates exclude each other: give one")
    tls = None if given.insecure else _tls(given.root_certificates)
    key = _key(given.private_key) if given.private_key else None
    return Settings(listen, given.superlink, tls, key, apps, metrics)


async def serve(settings: Settings) -> None:
    """Listen until SIGINT or SIGTERM; raises CannotStart."""
    key = settings.key or generate_key_pairs()[0]
    superlink = SuperLink(settings.superlink, settings.tls, key)
    gate = Gate(Courier(superlink, settings.apps, settings.key is None), settings.metrics)
    server = await Listener(gate).start(*settings.listen)
    try:
        await _meet(superlink)
        host, port = server.sockets[0].getsockname()[:2]
        LOGGER.info("listening on %s:%s for a SuperNode, --superlink %s:%s", host, port, host, port)
        if not _is_loopback(settings.listen[0]):
            LOGGER.warning(
                "whoever reaches %s can speak as the hospital's SuperNode, and reads the messages "
                "to it: let nobody but the SuperNode's computer reach it",
                settings.listen[0],
            )
        await _stopped()
    finally:
        server.close()
        await gate.close()


async def _meet(superlink: SuperLink) -> None:
    try:
        await superlink.meet()
    except BadCertificate as error:
        raise CannotStart(str(error)) from None
    except SuperLinkAway as error:
        LOGGER.warning("%s. The gate goes on trying", error)


async def _stopped() -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m quorate_flower.gate",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--superlink", required=True, metavar="HOST:PORT", help="the SuperLink's Fleet API")
    add(
        "--app", action="append", required=True, metavar="SHA256",
        help="of an app bundle (.fab) that may come in; repeat it for more",
    )  # fmt: skip
    add(
        "--metrics", default="", metavar="NAMES",
        help="metrics that may leave, as in train_loss,eval_loss; they leave with six digits, and "
        "none leaves without this. A metric can tell of patients: 0.7133333 says 150 of them",
    )  # fmt: skip
    add(
        "--listen", default=LISTEN, metavar="HOST:PORT",
        help=f"where the SuperNode reaches the gate, in plaintext ({LISTEN}); port 0 takes a free "
        "one",
    )  # fmt: skip
    add(
        "--root-certificates", metavar="FILE",
        help="the authority of the SuperLink's certificate, as PEM (this computer's authorities)",
    )  # fmt: skip
    add(
        "--private-key", metavar="FILE",
        help="the SuperNode's private key, at a SuperLink that authenticates SuperNodes: it is the "
        "gate that has it, and not the SuperNode",
    )  # fmt: skip
    add(
        "--insecure", action="store_true",
        help="plaintext to the SuperLink, on this computer alone; for trying",
    )  # fmt: skip
    return parser


def _address(option: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise CannotStart(f"{option} {text} is no HOST:PORT: give it as in 127.0.0.1:9092")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(path: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # an ssl.SSLError is one, too
        raise CannotStart(
            f"--root-certificates {path} cannot be read ({error.strerror or error}): give a file "
            "of certificates in PEM"
        ) from None


def _key(path: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_ssh_private_key(Path(path).expanduser().read_bytes(), None)
    except OSError as error:
        raise CannotStart(f"--private-key {path} cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CannotStart(
            f"--private-key {path} is no key of an elliptic curve: give one that ssh-keygen "
            "-t ecdsa -b 384 makes, without a passphrase"
        )
    return key
