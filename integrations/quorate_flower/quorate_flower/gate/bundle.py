# SPDX-License-Identifier: Apache-2.0
"""Which runs and app bundles (FABs) a hospital lets in."""

import hashlib
import hmac

from flwr.proto.fab_pb2 import Fab
from flwr.proto.run_pb2 import Run

from quorate_flower.gate.errors import Refused

INVALID_FAB = 7  # Flower's code
MOST_FAB_BYTES = 10 << 20  # Flower's own limit
SERVER_APP = "flwr-serverapp"


def judge_run(run: Run, run_id: int, apps: frozenset[str]) -> None:
    """Raise Refused if this is another run, no ServerApp's, or of an app that is not in ``apps``.

    apps: SHA-256 of app bundles, in hex.
    """
    if run.run_id != run_id:
        raise Refused("the SuperLink describes another run than the message names", INVALID_FAB)
    if run.primary_task_type != SERVER_APP:
        raise Refused("the run is not a ServerApp's, and this hospital runs no other", INVALID_FAB)
    if run.fab_hash not in apps:
        raise Refused(_unlisted(run.fab_hash), INVALID_FAB)


def judge_fab(fab: Fab, run: Run, apps: frozenset[str]) -> Fab:
    """The bundle under the hash of its content; raise Refused if that is not the run's."""
    found = hashlib.sha256(fab.content).hexdigest()
    if found not in apps:
        raise Refused(_unlisted(found), INVALID_FAB)
    if not hmac.compare_digest(found, run.fab_hash):
        raise Refused("the SuperLink sends another app than the run names", INVALID_FAB)
    return Fab(hash_str=found, content=fab.content, verifications=dict(fab.verifications))


def _unlisted(found: str) -> str:
    is_hash = len(found) == 64 and set(found) <= set("0123456789abcdef")
    name = found if is_hash else "without a hash"
    return (
        f"this hospital does not run app {name}: ask it to review the app, and to start its gate "
        "with --app and this hash"
    )
