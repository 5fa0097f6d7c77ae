"""Records with one thing wrong in each, and what ``verify`` must say of it.

    python -m tests.stage.record.broken DIR      writes DIR/good, DIR/<name>, and DIR/expected.json

Where a tampering needs the signatures of a coalition, it has them: what follows is signed and
chained again.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.stage.record import (
    broken_board,
    broken_ceremony,
    broken_decryption,
    broken_handover,
    broken_rounds,
    broken_studies,
)
from tests.stage.record.good import good
from tests.stage.record.memory import write_folder
from tests.stage.record.story import write
from tests.stage.record.tampering import TAMPERINGS, Broken

# TAMPERINGS is filled by the modules beside it.
__all__ = [
    "TAMPERINGS",
    "broken_board",
    "broken_ceremony",
    "broken_decryption",
    "broken_handover",
    "broken_rounds",
    "broken_studies",
]


def write_all(folder: Path) -> None:
    """The good record and all broken ones, with what is expected of each."""
    made = good()
    identity = made.story.federation.terms.federation
    write_folder(write(made.story).files, folder / "good")
    expected = {}
    for name, make in TAMPERINGS.items():
        broken = make(made)
        write_folder(broken.files, folder / name)
        expected[name] = _facts(broken, identity)
    (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def _facts(broken: Broken, identity: bytes) -> dict[str, Any]:
    since = broken.since
    return {
        "fingerprint": (broken.fingerprint or identity[:16]).hex(),
        "since": f"{since.position}:{since.hash.hex()}" if since else None,
        "check": broken.check,
        "kind": "failure" if broken.is_failure else "finding",
        "entry": broken.entry or None,
        "party": broken.party,
    }


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
