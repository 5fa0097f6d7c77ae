"""What can go wrong with key shares, their backups and their passphrase."""

from pathlib import Path
from typing import Literal

from participant.errors import ParticipantError
from participant.waiting import Waiting


class ShareNotWhole(ParticipantError, says="{folder}: the key share of epoch {epoch} is not whole"):
    """The key share in ``folder`` makes a part that its verification key does not confirm."""

    folder: Path
    epoch: int


class NoQuorum(
    ParticipantError, says="{session}: good {good} of {quorum}, wrong {wrong}, missing {missing}"
):
    """A check that ended without a quorum's good parts; members by number."""

    session: str
    quorum: int
    good: list[int]
    wrong: list[int]
    missing: list[int]


class QuorumFails(ParticipantError, says="{session}: {members} do not decrypt the test value"):
    """A quorum's parts have proofs that hold, and yet do not give the test value."""

    session: str
    members: list[int]


class UnfitBackup(ParticipantError):
    """A sealed file that cannot be restored here, though its passphrase may be right."""

    path: Path
    reason: str


class NoBoard(ParticipantError):
    """The board could not be read in time, so nothing says whether a key share is the one due."""

    url: str
    waiting: Waiting


class Outdated(ParticipantError):
    """A backup of an epoch that is over (``place`` has the newer one), or a record too short.

    have, known: epochs, or entries of the board. Nothing was replaced.
    """

    path: Path
    what: Literal["backup", "record"]
    have: int
    known: int
    place: str = ""


class HandedOver(ParticipantError, says="{path}: the key of epoch {epoch} was handed over"):
    """A backup of a key share that is of no use any more.

    to: the federation that has the key now; empty where this data folder says that it has given up
    the share.
    """

    path: Path
    epoch: int
    to: str = ""


class OtherInheritedKey(
    ParticipantError, says="{federation}: a key share of epoch {have}, and another key counts"
):
    """The key share here is none of the key that the members have taken over.

    have, counts: the epochs, which may have the same number and be of two keys.
    """

    federation: str
    have: int
    counts: int
