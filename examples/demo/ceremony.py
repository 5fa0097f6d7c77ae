"""The key ceremony, by agents that stay: from here on nobody needs to start them again."""

import time
from collections.abc import Mapping

from examples.demo.running import Running
from participant.home import VAULT_NAME, epochs_in

SECONDS = 150  # that it may take before something must be wrong


def hold_ceremony(running: Running, interrupts: Mapping[int, str]) -> None:
    """Start all hospitals' agents; they make the joint key by themselves.

    interrupts: by a hospital's number, where its app is to wait to be stopped.
    """
    consortium, started = running.consortium, time.monotonic()
    for hospital in reversed(consortium.hospitals):
        running.start(hospital, interrupts.get(hospital.number, ""))
    running.wait_for("the key ceremony", lambda: _all_have_a_share(running), SECONDS)
    consortium.ceremony_seconds = time.monotonic() - started


def _all_have_a_share(running: Running) -> bool:
    federation = running.consortium.terms.federation
    return all(
        epochs_in(hospital.folder(federation) / VAULT_NAME)
        for hospital in running.consortium.hospitals
    )
