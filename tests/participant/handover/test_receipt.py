"""What a hospital that has left finds in its data folder."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

from participant.handover.receipt import RECEIPT_NAME, write_receipt
from participant.words.fingerprint import fingerprint
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import member_at


def test_the_receipt_names_what_was_given_up_and_by_which_entry(tmp_path: Path) -> None:
    toy = toy_epoch(3, 2)
    handover = PostedHandover(copied(toy), toy.secrets, ["G1", 3, 1, "G2"], 3).run().handover
    member = member_at(tmp_path / "home", 2, toy)
    write_receipt(member, handover)
    path = member.folder / RECEIPT_NAME
    before = path.read_bytes()
    said = tomllib.loads(before.decode())
    assert "Backups are erased by people" in said.pop("says")
    assert said == {
        "hospital": "H2",
        "federation": member.terms.name,
        "fingerprint": fingerprint(member.terms.federation),
        "handover": "handover/1",
        "epoch_given_up": 1,
        "new_terms": fingerprint(handover.about.new.federation),
        "new_members": [m.name for m in handover.about.new.members],
        "released_at_entry": handover.released_at,
        "time": datetime.fromtimestamp(handover.moved_ms / 1000, UTC),
    }
    write_receipt(member, handover)
    assert path.read_bytes() == before
