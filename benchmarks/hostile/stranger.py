"""Strangers on loopback that connect and say nothing; a process of its own, of bounded life.

``silent`` ones finish TLS, ``half-open`` ones send no byte. Each connection that is ended is made
anew a second later. At the end (SIGTERM, or the time is over) one line of JSON tells what happened.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import signal
import ssl
from collections import Counter

from aggregator.server import raise_limit

_AGAIN_SECONDS = 1.0
_MOST = 100_000  # connections in all


def main() -> None:
    """Hold connections until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["silent", "half-open"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--source", default="127.0.0.2")
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    if not ipaddress.ip_address(options.source).is_loopback:
        parser.error("only a loopback address attacks, and only loopback is attacked")
    raise_limit(options.count + 64)
    tls = _tls() if options.kind == "silent" else None
    told = asyncio.run(_hold(options.port, options.count, options.source, options.seconds, tls))
    print(json.dumps(told), flush=True)


async def _hold(
    port: int, count: int, source: str, seconds: float, tls: ssl.SSLContext | None
) -> Counter[str]:
    told: Counter[str] = Counter(made=0, ended=0)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    slots = [asyncio.create_task(_slot(port, source, tls, told)) for _ in range(count)]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    for slot in slots:
        slot.cancel()
    await asyncio.wait(slots)
    return told


async def _slot(port: int, source: str, tls: ssl.SSLContext | None, told: Counter[str]) -> None:
    while told["made"] < _MOST:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=tls, local_addr=(source, 0)
            )
        except (OSError, EOFError) as error:
            told[f"failed: {type(error).__name__}"] += 1
        else:
            told["made"] += 1
            try:
                with contextlib.suppress(OSError):
                    while await reader.read(1024):
                        pass
                told["ended"] += 1
            finally:
                writer.transport.abort()
        await asyncio.sleep(_AGAIN_SECONDS)


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


if __name__ == "__main__":
    main()
