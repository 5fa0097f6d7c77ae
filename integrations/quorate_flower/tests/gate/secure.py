# SPDX-License-Identifier: Apache-2.0
"""A SuperLink that speaks TLS, and authenticates SuperNodes."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.gate import certificates
from tests.stage.deployment import Deployment, until


class SecureDeployment(Deployment):
    """As a Deployment, with certificates of an authority of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._made = made = certificates.make(folder / "tls")
        self.trust = ("--root-certificates", str(made.authority))
        config = folder / "flwr" / "config.toml"
        trust = f'root-certificates = "{made.authority}"'
        config.write_text(config.read_text().replace("insecure = true", trust))

    def superlink(self) -> None:
        """Start it."""
        made = self._made
        self._start(
            "superlink",
            ["flower-superlink", "--port", self.port, "--enable-supernode-auth",
             "--ssl-ca-certfile", made.authority, "--ssl-certfile", made.server,
             "--ssl-keyfile", made.key, "--disable-runtime-dependency-installation"],
        )  # fmt: skip
        until(self._answers)

    def registered_key(self) -> str:
        """The file of a node's private key that the SuperLink knows."""
        path, key = self.folder / "node-key", ec.generate_private_key(ec.SECP384R1())
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
        )
        public = path.with_suffix(".pub")
        public.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
            )
        )
        self.flwr("supernode", "register", public, "local")
        return str(path)
