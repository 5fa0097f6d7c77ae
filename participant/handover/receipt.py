"""What a hospital that has left keeps: it has given its key share up, and the key went to others.

It is a note for the hospital's own files, and proves no erasure: nobody can. What others can check
is on the old board: the hospital's signed word that it uses its key share no more.
"""

from datetime import UTC, datetime

import tomli_w

from participant.disk import replace
from participant.home import Membership
from participant.words.fingerprint import fingerprint
from protocol.board import Handover

RECEIPT_NAME = "receipt.toml"


def write_receipt(member: Membership, handover: Handover) -> None:
    """Write it into the old federation's folder, once the old share is erased.

    Again after a crash, with the same outcome: its time is that of the last word on the board.
    """
    about = handover.about
    text = tomli_w.dumps(
        {
            "hospital": member.identity.name,
            "federation": about.old.name,
            "fingerprint": fingerprint(about.old.federation),
            "handover": about.session,
            "epoch_given_up": about.epoch.number,
            "new_terms": fingerprint(about.new.federation),
            "new_members": [m.name for m in about.new.members],
            "released_at_entry": handover.released_at,
            "time": datetime.fromtimestamp(handover.moved_ms / 1000, UTC),
            "says": "The key share of this epoch is erased in this hospital's data folder. "
            "Backups are erased by people. Its signed word that it uses the key share no more "
            "is in the record of the old federation, under the name of this handover.",
        }
    )
    replace(member.folder / RECEIPT_NAME, text.encode())
