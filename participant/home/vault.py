"""What a hospital must keep secret for one federation: key shares by epoch, seeds by session.

What is destroyed leaves a mark, so that it never comes back: the mark is durable first. Where a
crash comes between the two, opening the vault again finishes it.
"""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from participant.disk import (
    delete,
    entries,
    exists,
    make_folder,
    only_read_if_refused,
    replace,
    sweep,
)
from participant.errors import BadName, DamagedFile, NoSeed, RetiredShare
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import DEFAULT_COST, Argon2Cost, SealedFor, seal, unseal

SEED_BYTES = 32
VAULT_NAME = "vault"  # in a federation's folder
_SESSION = re.compile(r"(?P<kind>[a-z]+)/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})")
_KEY_SHARE = re.compile(r"key-share-(0|[1-9][0-9]{0,8})\.(sealed|retired)")
_MARKS = (".forgotten", ".retired")  # of what is destroyed


def epochs_in(folder: Path) -> list[int]:
    """The epochs of which a vault's folder holds a key share, ascending; none if it is missing."""
    return sorted(_epochs(folder, "sealed") - _epochs(folder, "retired"))


def retired_in(folder: Path) -> list[int]:
    """The epochs whose key shares a vault's folder has given up, ascending."""
    return sorted(_epochs(folder, "retired"))


def _epochs(folder: Path, state: str) -> set[int]:
    names = [path.name for path in entries(folder)] if exists(folder) else []
    matches = map(_KEY_SHARE.fullmatch, names)
    return {int(match[1]) for match in matches if match and match[2] == state}


@dataclass(frozen=True)
class Vault:
    """The sealed files of one member (1..n) of one federation (digest of its terms).

    Every file is sealed by itself. The data folder's lock must be held while anything is written.
    """

    folder: Path
    federation: bytes
    member: int
    cost: Argon2Cost = DEFAULT_COST

    def __post_init__(self) -> None:
        with only_read_if_refused():
            make_folder(self.folder)
            sweep(self.folder)
            for path in entries(self.folder):
                if path.suffix in _MARKS:
                    delete(path.with_suffix(".sealed"))

    def store_key_share(self, epoch: int, payload: bytes, passphrase: Passphrase) -> None:
        """Durably store the key share of an epoch.

        Raises FileExists if there is one already, RetiredShare if there was one.
        """
        self._check_not_retired(epoch)
        purpose = self._purpose("key share", epoch=epoch)
        seal(self.key_share_path(epoch), purpose, payload, passphrase, self.cost)

    def read_key_share(self, epoch: int, passphrase: Passphrase) -> bytes:
        """The key share of an epoch as it was stored.

        Raises RetiredShare, and what ``sealed_file.unseal`` raises.
        """
        self._check_not_retired(epoch)
        purpose, what = self._purpose("key share", epoch=epoch), f"key share of epoch {epoch}"
        return unseal(self.key_share_path(epoch), purpose, passphrase, what)

    def epochs(self) -> list[int]:
        """The epochs of which a key share is stored, ascending; needs no passphrase."""
        return epochs_in(self.folder)

    def retire_key_share(self, epoch: int) -> None:
        """Destroy the key share of an epoch for good, whether or not there is one.

        With it goes the seed that it was made from, if a kill has left that. The mark that the
        share is gone is durable first: no backup may ever bring it back.
        """
        self.forget_ceremony(epoch)
        _destroy(self.key_share_path(epoch), self.key_share_path(epoch, "retired"))

    def forget_ceremony(self, epoch: int) -> None:
        """Destroy the seed of the ceremony that made an epoch's key, if it is still there.

        That ceremony has the epoch's number. Whoever has the seed has the key share.
        """
        if self.has_seed(session := f"ceremony/{epoch}"):
            self.forget_seed(session)

    def has_retired(self, epoch: int) -> bool:
        """Whether the key share of an epoch was given up here; needs no passphrase."""
        return exists(self.key_share_path(epoch, "retired"))

    def new_seed(self, session: str, passphrase: Passphrase) -> bytes:
        """32 fresh random bytes for a session, durable before they are returned.

        Raises FileExists if the session has a seed (it is to go on with that one), NoSeed
        if it had one, BadName on a name the vault has no place for.
        """
        self._check_not_forgotten(session)
        seed = secrets.token_bytes(SEED_BYTES)
        seal(self._seed_path(session), self._seed_purpose(session), seed, passphrase, self.cost)
        return seed

    def has_seed(self, session: str) -> bool:
        """Whether the session has a seed to go on with; needs no passphrase."""
        return exists(self._seed_path(session)) and not self.has_forgotten(session)

    def seed(self, session: str, passphrase: Passphrase) -> bytes:
        """The seed of a session, the same each time; never makes one.

        Raises NoSeed, and what ``sealed_file.unseal`` raises.
        """
        self._check_not_forgotten(session)
        path = self._seed_path(session)
        seed = unseal(path, self._seed_purpose(session), passphrase, f"seed of {session}")
        if len(seed) != SEED_BYTES:
            raise DamagedFile(path, f"a seed of {len(seed)} bytes")
        return seed

    def forget_seed(self, session: str) -> None:
        """Destroy a session's seed for good, whether or not there was one.

        The mark that it is gone is durable first: a session must never be given a second seed.
        """
        _destroy(self._seed_path(session), self._seed_path(session, "forgotten"))

    def has_forgotten(self, session: str) -> bool:
        """Whether a session's seed was destroyed; needs no passphrase."""
        return exists(self._seed_path(session, "forgotten"))

    def withhold_seed(self, session: str) -> None:
        """Note for good, durably, that a session's seed is never to be disclosed."""
        replace(self._seed_path(session, "withheld"), b"")

    def withholds_seed(self, session: str) -> bool:
        """Whether a session's seed is never to be disclosed; needs no passphrase."""
        return exists(self._seed_path(session, "withheld"))

    def _check_not_forgotten(self, session: str) -> None:
        if self.has_forgotten(session):
            raise NoSeed(session, "forgotten")

    def _check_not_retired(self, epoch: int) -> None:
        if self.has_retired(epoch):
            raise RetiredShare(self.folder, epoch)

    def _purpose(self, kind: str, epoch: int = 0, session: str = "") -> SealedFor:
        return SealedFor(kind, self.federation.hex(), epoch, self.member, session)

    def _seed_purpose(self, session: str) -> SealedFor:
        return self._purpose("seed", session=session)

    def key_share_path(self, epoch: int, state: str = "sealed") -> Path:
        """The file of an epoch's key share, or the mark that it is "retired"."""
        return self.folder / f"key-share-{epoch}.{state}"

    def _seed_path(self, session: str, state: str = "sealed") -> Path:
        """The file of a session's seed, or the mark that it is "forgotten" or "withheld".

        A kind has no ``-``, so different sessions never meet.
        """
        match = _SESSION.fullmatch(session)
        if match is None:
            raise BadName(session, "it is no session")
        return self.folder / f"{match['kind']}-{match['name']}.seed.{state}"


def _destroy(path: Path, mark: Path) -> None:
    if exists(path) or not exists(mark):
        replace(mark, b"")
        delete(path)
