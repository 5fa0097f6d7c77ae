"""What can go wrong at a hospital; every error carries the facts as fields, never a secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from participant.waiting import Waiting


class ParticipantError(Exception):
    """Base of all errors of this package."""


class MissingFile(ParticipantError):
    """A file that is needed and is not there; ``what`` it would hold."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: no {what} here")
        self.path, self.what = path, what


class FileExists(ParticipantError):
    """A file that is never overwritten is there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists and is never overwritten")
        self.path = path


class TooLarge(ParticipantError):
    """A file of more than ``limit`` bytes."""

    def __init__(self, path: Path, what: str, limit: int) -> None:
        super().__init__(f"{path}: {what} of more than {limit} bytes")
        self.path, self.what, self.limit = path, what, limit


class DiskError(ParticipantError):
    """The operating system refused to read or write; ``reason`` in its words.

    number: its ``errno``, 0 where it gave none.
    """

    def __init__(self, path: Path, reason: str, number: int = 0) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason, self.number = path, reason, number

    @classmethod
    def of(cls, path: Path, error: OSError) -> DiskError:
        """What an OSError says of a path."""
        return cls(path, error.strerror or type(error).__name__, error.errno or 0)


class BadStorageName(ParticipantError):
    """A name that no stored thing can have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} cannot name stored data")
        self.name = name


class AlreadyRunning(ParticipantError):
    """Another process holds the data folder; ``pid`` is None where it has not yet said."""

    def __init__(self, path: Path, pid: int | None, command: str) -> None:
        super().__init__(f"{path} is held by process {pid} ({command})")
        self.path, self.pid, self.command = path, pid, command


class NoPassphrase(ParticipantError):
    """No passphrase could be had from any source; ``option`` says what would be one."""

    def __init__(self, reason: str, option: str) -> None:
        super().__init__(reason)
        self.reason, self.option = reason, option


class BadPassphrase(ParticipantError):
    """A passphrase that cannot be used; ``source`` is where it came from, ``remedy`` what helps."""

    def __init__(self, source: str, reason: str, remedy: str) -> None:
        super().__init__(f"passphrase from {source}: {reason}")
        self.source, self.reason, self.remedy = source, reason, remedy


class WrongPassphrase(ParticipantError):
    """A sealed file that does not open: wrong passphrase or damaged file, which look alike."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: wrong passphrase or damaged file")
        self.path = path


class ForeignSeal(ParticipantError):
    """A sealed file made for another federation, epoch, member or purpose.

    ``differing`` maps a field of the seal's context to (expected, found).
    """

    def __init__(self, path: Path, differing: dict[str, tuple[str | int, str | int]]) -> None:
        super().__init__(f"{path} is sealed for something else: {differing}")
        self.path, self.differing = path, differing


class DamagedFile(ParticipantError):
    """A file that does not have the form it must have."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class NewerFormat(ParticipantError):
    """A sealed file of a format version that this release does not know."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(f"{path}: format {found}, this release knows {known}")
        self.path, self.found, self.known = path, found, known


class TooLittleMemory(ParticipantError):
    """The machine cannot spare the memory that the passphrase's key derivation takes."""

    def __init__(self, path: Path, memory_kib: int) -> None:
        super().__init__(f"{path}: deriving the key takes {memory_kib} KiB of memory")
        self.path, self.memory_kib = path, memory_kib


class BadName(ParticipantError):
    """A name that no member can have."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name!r}: {reason}")
        self.name, self.reason = name, reason


class BadCard(ParticipantError):
    """A member's card that does not read; ``field`` as written in the file."""

    def __init__(self, path: Path, field: str, reason: str) -> None:
        super().__init__(f"{path}: {field}: {reason}")
        self.path, self.field, self.reason = path, field, reason


class CardMismatch(ParticipantError):
    """The card beside an identity names somebody else."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not the card of the identity beside it")
        self.path = path


class BadSession(ParticipantError):
    """A session name that the vault has no place for."""

    def __init__(self, session: str) -> None:
        super().__init__(f"{session!r} is not a session name")
        self.session = session


class SeedForgotten(ParticipantError):
    """The seed of a finished session, destroyed on purpose: a new one would be fresh randomness."""

    def __init__(self, session: str) -> None:
        super().__init__(f"the seed of {session} was destroyed when that session ended")
        self.session = session


class DamagedOutbox(ParticipantError):
    """Own posts on their way that cannot be read back."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"outbox/{name}: {reason}")
        self.name, self.reason = name, reason


class DamagedBlob(ParticipantError):
    """The aggregator served bytes that do not have the name they were asked for by."""

    def __init__(self, name: bytes) -> None:
        super().__init__(f"blob {name.hex()[:16]} is damaged")
        self.name = name


class IdentityInUse(ParticipantError):
    """A post by this member is on the board that this data folder did not make."""

    def __init__(self, position: int, session: str) -> None:
        super().__init__(
            f"entry {position} in {session} is signed by this member, but not from here"
        )
        self.position, self.session = position, session


class RejectedByAggregator(ParticipantError):
    """The aggregator does not accept what was sent.

    ``code`` is one of ``wire.Rejected``, "over-budget", or "false-decline" where it declined what
    by this hospital's own board is within its budget.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class BadApp(ParticipantError):
    """The user's training code returned or raised what cannot be used."""

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(f"{function}: {reason}")
        self.function, self.reason = function, reason


class BadStatisticFile(ParticipantError):
    """A file of numbers that cannot be contributed, as ``reason`` says."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class UnfitNumbers(ParticipantError):
    """Numbers, sound in themselves, that a statistic round does not take; ``remedy`` says how."""

    def __init__(self, path: str, reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason, self.remedy = path, reason, remedy


class BadJournal(ParticipantError):
    """A line of a journal of training that does not read."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {reason}")
        self.path, self.line, self.reason = path, line, reason


class WrongCertificate(ParticipantError):
    """The server at ``url`` does not hold the TLS key that the terms pin.

    about: whom its certificate names, and the proxy on the way, if there is one.
    """

    def __init__(self, url: str, expected: bytes, found: bytes, about: str = "") -> None:
        super().__init__(f"{url}: TLS key {found.hex()[:16]}, pinned is {expected.hex()[:16]}")
        self.url, self.expected, self.found, self.about = url, expected, found, about


class ForeignAggregator(ParticipantError):
    """The aggregator at ``url`` serves another federation."""

    def __init__(self, url: str, federation: bytes) -> None:
        super().__init__(f"{url} serves federation {federation.hex()[:16]}")
        self.url, self.federation = url, federation


class Unreachable(ParticipantError):
    """No link to the aggregator at ``url`` could be had; another try may succeed.

    remedy: what helps, in whole sentences without the last full stop; empty if nobody knows more.
    """

    def __init__(self, url: str, reason: str, remedy: str = "") -> None:
        super().__init__(f"{url}: {reason}")
        self.url, self.reason, self.remedy = url, reason, remedy


class OutOfTime(ParticipantError):
    """The time limit given by the user passed; ``waiting``: for what, and for which members.

    is_sending: something that this hospital has said is not known to be on the board.
    """

    def __init__(self, seconds: float, waiting: Waiting, is_sending: bool = False) -> None:
        step, members = waiting.step, waiting.members
        super().__init__(f"not done after {seconds} s, at {step}, waiting for {members}")
        self.seconds, self.waiting, self.is_sending = seconds, waiting, is_sending
        self.step, self.members = step, members


class Interrupted(ParticipantError):
    """A signal asked this process to end; ``is_sending`` as for OutOfTime."""

    def __init__(self, signal: int, is_sending: bool = False) -> None:
        super().__init__(f"signal {signal}")
        self.signal, self.is_sending = signal, is_sending


class NotAMember(ParticipantError):
    """The identity in ``home`` has no place in the terms."""

    def __init__(self, name: str, home: Path) -> None:
        super().__init__(f"{name!r} in {home} is not a member")
        self.name, self.home = name, home


class AlreadySigned(ParticipantError):
    """A member's fitting signature is under the terms already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} has signed already")
        self.name = name


class NoKeyShare(ParticipantError):
    """No ceremony of this federation has ended here."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: no key share")
        self.folder = folder


class SeedLost(ParticipantError):
    """This member spoke in a session whose seed is not the one in this data folder."""

    def __init__(self, session: str) -> None:
        super().__init__(f"the seed that this member began {session} with is not here")
        self.session = session


class SetBackInCeremony(ParticipantError):
    """The data folder went back in time after this member joined the ceremony."""

    def __init__(self, session: str) -> None:
        super().__init__(f"{session}: joined before the data folder was put back")
        self.session = session


class CertificateDisplaced(ParticipantError):
    """No board that goes on can take the certificate that is still to be sent.

    position: of the last own entry, which this data folder did not make.
    """

    def __init__(self, session: str, position: int) -> None:
        super().__init__(f"entry {position} has passed by the certificate of {session}")
        self.session, self.position = session, position


class NotAborted(ParticipantError):
    """No ceremony of this name was aborted; none at all where ``session`` is empty."""

    def __init__(self, session: str) -> None:
        super().__init__(f"{session or 'no ceremony'}: not aborted")
        self.session = session


class CeremonyAborted(ParticipantError):
    """A ceremony's end: what each culprit did, at which entry of the board; whose seeds lack.

    given_up: the members for whose silence it was given up, and what is said of it.
    """

    def __init__(
        self,
        session: str,
        culprits: dict[int, str],
        evidence: dict[int, int],
        silent: tuple[int, ...],
        given_up: tuple[tuple[int, ...], str] = ((), ""),
    ) -> None:
        super().__init__(f"{session} was aborted: culprits {culprits}, silent {silent}")
        self.session, self.culprits, self.evidence = session, culprits, evidence
        self.silent, self.given_up = silent, given_up


class Declined(ParticipantError):
    """The person who was asked does not agree; nothing was done."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class NoAnswer(ParticipantError):
    """A question was asked where nobody could answer, or was broken off; nothing was done."""

    def __init__(self) -> None:
        super().__init__("no answer")


class SamePassphrase(ParticipantError):
    """The new passphrase is the present one."""

    def __init__(self) -> None:
        super().__init__("the new passphrase is the present one")
