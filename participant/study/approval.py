"""What this hospital has approved, as it keeps it: which plan, and which app it runs there."""

import hmac
from typing import Annotated, Literal

from msgspec import Meta

from participant.disk import Storage
from participant.errors import DamagedFile, OtherApp
from participant.study.app_source import GivenApp
from protocol.board import Study
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import Digest

_MAX_BYTES = 16_384


class KeptApproval(Message, frozen=True):
    """``plan``: the digest that was approved. ``app``: its path, and ``app_digest`` its SHA-256.

    Both are empty where no file was given with the approval.
    """

    plan: Digest
    contribute: bool
    open: bool
    app: Annotated[str, Meta(max_length=8_192)] = ""
    app_digest: Annotated[bytes, Meta(max_length=32)] = b""

    @property
    def identity(self) -> bytes:
        """What tells the app from another one: as ``GivenApp.identity``."""
        return self.app_digest or self.app.encode("utf-8", "surrogateescape")


def approval_name(study: str) -> str:
    """Where the approval of a study lies in a hospital's storage."""
    return f"studies/{study}/approval"


def keep_approval(storage: Storage, study: str, kept: KeptApproval) -> None:
    """Remember, durably, what was approved; before it is said on the board."""
    storage.write(approval_name(study), encode(kept))


def forget_approval(storage: Storage, study: str) -> None:
    """Forget it, durably: it was taken back."""
    storage.delete(approval_name(study))


def kept_approval(storage: Storage, study: str) -> KeptApproval | None:
    """What was approved here last, None if nothing was; raises DamagedFile."""
    name = approval_name(study)
    if (data := storage.read(name)) is None:
        return None
    try:
        return decode(data, KeptApproval, "approval", _MAX_BYTES)
    except Malformed as error:
        raise DamagedFile(name, error.reason, "approval") from None


def is_agreed(study: Study, kept: KeptApproval | None) -> bool:
    """Whether this hospital has approved to contribute to this very plan, by what it keeps."""
    return kept is not None and kept.contribute and kept.plan == study.digest


def check_app(study: Study, kept: KeptApproval | None, app: GivenApp) -> None:
    """Raises OtherApp unless an app is the one of the plan, and the one that was approved here.

    Of either only where it says which one; before any code of the app has run. A program at a
    socket says what it runs when it comes.
    """
    due: tuple[tuple[Literal["plan", "approval"], bytes], ...] = (
        ("plan", b"" if app.is_at_socket else study.training.app),
        ("approval", kept.app_digest if kept and kept.plan == study.digest else b""),
    )
    for by, expected in due:
        if expected and not hmac.compare_digest(expected, app.digest):
            raise OtherApp(study.name, app.name, by, expected, app.digest)
