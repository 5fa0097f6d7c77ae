"""The connection to a scheduler: made, watched and made again in a thread of its own."""

import contextlib
import logging
import threading
from typing import Any

from distributed import Client
from distributed.security import Security

from aggregator.sums.address import SumsTls
from protocol.words import shown

log = logging.getLogger("quorate.aggregator")

_CONNECT_SECONDS = 5
_LOOK_SECONDS = 1.0


class Connection:
    """``client`` is there while the scheduler answers and has a worker."""

    def __init__(self, place: str, tls: SumsTls | None) -> None:
        self.place, self._security = place, _security(tls)
        self.client: Any = None
        self._trouble = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="sums", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of the scheduler."""
        self._ended.set()
        self._thread.join(2 * _CONNECT_SECONDS)

    def _keep(self) -> None:
        while not self._ended.is_set():
            try:
                found = Client(
                    self.place,
                    security=self._security,
                    timeout=_CONNECT_SECONDS,
                    set_as_default=False,
                )
            except Exception as error:  # of sockets, of TLS, or of another protocol at this port
                self._tell(f"cannot be reached ({_first_line(error)})")
            else:
                self._watch(found)
                self.client = None
                with contextlib.suppress(Exception):
                    found.close(timeout=_CONNECT_SECONDS)
            self._ended.wait(_LOOK_SECONDS)

    def _watch(self, client: Any) -> None:
        """Returns when the scheduler no longer answers."""
        while not self._ended.is_set():
            try:
                has_workers = client.status == "running" and bool(
                    client.sync(client.scheduler.ncores, callback_timeout=_CONNECT_SECONDS)
                )
                if client.status != "running":
                    raise ConnectionError("it closed the connection")
            except Exception as error:
                self._tell(f"does not answer any more ({_first_line(error)})")
                return
            self._tell("" if has_workers else "has no workers")
            self.client = client if has_workers else None
            self._ended.wait(_LOOK_SECONDS)

    def _tell(self, trouble: str) -> None:
        """Log what has changed."""
        if trouble == self._trouble and (trouble or self.client is not None):
            return
        self._trouble = trouble
        if trouble:
            log.warning("the scheduler of sums %s %s: sums are made here", self.place, trouble)
        else:
            log.info("sums are made by the workers of %s", self.place)


def _security(tls: SumsTls | None) -> Security | None:
    if tls is None:
        return None
    return Security(
        tls_ca_file=str(tls.ca),
        tls_client_cert=str(tls.cert),
        tls_client_key=str(tls.key),
        require_encryption=True,
    )


def _first_line(error: Exception) -> str:
    return shown((str(error) or type(error).__name__).splitlines()[0])
