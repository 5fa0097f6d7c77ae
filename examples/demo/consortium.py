"""Who takes part: hospitals and an aggregator, from identities to terms that all have signed."""

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregator.identity import CARD_NAME, CERTIFICATE_NAME, TLS_KEY_NAME
from examples.demo.processes import Hospital, aggregator, approve, sign_terms
from examples.demo.stored import stored_board
from examples.demo.study import Training, handwriting, tumours
from participant.home import VAULT_NAME, Passphrase, Vault
from protocol.board import Board, Study
from protocol.key import HeldKey, read_secret
from protocol.terms import AddressCard, Terms, parse, parse_card

NAMES = ("St. Mary", "Riverside", "Northgate", "Hillcrest", "Lakeview")
QUORUM = 3


@dataclass
class Consortium:
    """Five hospitals and an aggregator on this machine."""

    folder: Path
    hospitals: list[Hospital]
    tumours: Training
    digits: Training
    terms_file: Path
    terms: Terms
    ceremony_seconds: float = 0.0
    tls: Path | None = None  # the folder with the certificate that the aggregator has moved to

    @property
    def card(self) -> AddressCard:
        """Where the aggregator is now, by its newest card."""
        return parse_card((self.data / CARD_NAME).read_text())

    @property
    def data(self) -> Path:
        """The aggregator's folder."""
        return self.folder / "aggregator"

    def read_board(self) -> Board:
        """The aggregator's board, every entry verified again."""
        return stored_board(self.data / self.terms.federation.hex()[:16], self.terms)

    def study(self, name: str) -> Study:
        """A study as it was proposed on the board."""
        return self.read_board().studies[name].study

    def vault(self, number: int) -> Vault:
        """Where a member's key share lies, sealed; by the member's number."""
        federation = self.terms.federation
        folder = self.hospitals[number - 1].folder(federation) / VAULT_NAME
        return Vault(folder, federation, number)

    def held(self, number: int) -> HeldKey:
        """A member's newest key share, as only its own passphrase opens it."""
        vault, passphrase = self.vault(number), Passphrase(self.hospitals[number - 1].passphrase)
        stored = vault.read_key_share(vault.epochs()[-1], passphrase)
        return read_secret(stored, self.terms, number)

    @property
    def logs(self) -> Path:
        """What the processes said."""
        return self.folder / "logs"

    def log_of(self, hospital: Hospital) -> Path:
        """What a hospital said, unless it is shown."""
        return self.logs / f"hospital-{hospital.number}.log"

    def serving(
        self, module: str = "aggregator"
    ) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        """The aggregator, or a module in its place, running until the block ends.

        Where its newest card says, with the certificate that this card names.
        """
        log, place = self.logs / "aggregator.log", self.tls or self.data
        tls = "--tls-cert", str(place / CERTIFICATE_NAME), "--tls-key", str(place / TLS_KEY_NAME)
        return aggregator(self.terms_file, self.data, log, ("-m", module), tls)

    def approve(self, hospitals: Sequence[Hospital], names: Sequence[str], *options: str) -> None:
        """Let some hospitals approve studies; the aggregator runs."""
        approve(hospitals, self.terms_file, names, self.logs / "approvals.log", *options)


def found(folder: Path, key_bits: int) -> Consortium:
    """Fresh identities for all, and terms that all have signed."""
    if folder.exists():
        shutil.rmtree(folder)
    logs = folder / "logs"
    logs.mkdir(parents=True)
    cancer = tumours(folder / "patients")
    digits = handwriting(folder / "images")
    hospitals = [
        Hospital(number, name, folder / f"hospital-{number}", patients)
        for number, (name, patients) in enumerate(zip(NAMES, cancer.files, strict=True), start=1)
    ]
    settings = {"--name": "Demo consortium", "--quorum": str(QUORUM), "--key-bits": str(key_bits)}
    for said in sign_terms(folder, hospitals, settings):
        print(said.rstrip(), flush=True)
    terms_file = folder / "federation.toml"
    terms = parse(terms_file.read_text()).terms
    return Consortium(folder, hospitals, cancer, digits, terms_file, terms)
