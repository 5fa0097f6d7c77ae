"""What a ceremony asks of the vault, with the passphrase at hand."""

from dataclasses import dataclass

from participant.home.key_notes import keep_share, now_ms
from participant.home.passphrase import Passphrase
from participant.home.vault import Vault
from protocol.key import HeldKey


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

    def keep(self, session: str, held: HeldKey) -> None:
        """Store the key share, then destroy the seed; a second call with the same share is safe.

        Raises FileExists if another share of this epoch is stored.
        """
        keep_share(self.vault, held, self.passphrase, now_ms())
        self.vault.forget_seed(session)
