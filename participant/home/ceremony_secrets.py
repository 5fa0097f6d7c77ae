"""What a ceremony asks of the vault, with the passphrase at hand."""

import hmac
from dataclasses import dataclass

from participant.home.passphrase import Passphrase
from participant.home.vault import Vault


@dataclass(frozen=True)
class SecretStore:
    """The seeds and key shares of one member; both are durable when a call returns."""

    vault: Vault
    passphrase: Passphrase

    def seed(self, session: str) -> bytes:
        """The session's seed, made at the first call; raises NoSeed if it had one."""
        if self.vault.has_seed(session):
            return self.vault.seed(session, self.passphrase)
        return self.vault.new_seed(session, self.passphrase)

    def holds(self, session: str) -> bool:
        """Whether the session's seed is still there; needs no passphrase."""
        return self.vault.has_seed(session)

    def withhold(self, session: str) -> None:
        """Note for good that the session's seed is never to be disclosed."""
        self.vault.withhold_seed(session)

    def withholds(self, session: str) -> bool:
        """Whether the session's seed is never to be disclosed; needs no passphrase."""
        return self.vault.withholds_seed(session)

    def keep(self, session: str, epoch: int, secret: bytes) -> None:
        """Store the key share, then destroy the seed; a second call with the same share is safe.

        Raises FileExists if another share of this epoch is stored.
        """
        if not self._has(epoch, secret):
            self.vault.store_key_share(epoch, secret, self.passphrase)
        self.vault.forget_seed(session)

    def _has(self, epoch: int, secret: bytes) -> bool:
        if epoch not in self.vault.epochs():
            return False
        stored = self.vault.read_key_share(epoch, self.passphrase)
        return hmac.compare_digest(stored, secret)
