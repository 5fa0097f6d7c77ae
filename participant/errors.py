"""What can go wrong at a hospital; every error carries the facts as fields, never a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from keyshare.errors import FactualError
from participant.waiting import Waiting


class ParticipantError(FactualError):
    """Base of all errors of this package."""


# ── files ──


class MissingFile(ParticipantError, says="{path}: no {what} here"):
    """A file that is needed and is not there, or a folder without a key share; ``what`` lacks."""

    path: Path
    what: str


class FileExists(ParticipantError):
    """A file that is never overwritten is there already; ``reason`` if it is not what it should be.

    Nothing was replaced.
    """

    path: Path
    reason: str = ""


class TooLarge(ParticipantError, says="{path}: {what} of more than {limit} bytes"):
    """A file of more than ``limit`` bytes."""

    path: Path
    what: str
    limit: int


class DiskError(ParticipantError, says="{path}: {reason}"):
    """The operating system refused to read or write; ``reason`` in its words.

    number: its ``errno``, 0 where it gave none.
    """

    path: Path
    reason: str
    number: int = 0

    @classmethod
    def of(cls, path: Path, error: OSError) -> DiskError:
        """What an OSError says of a path."""
        return cls(path, error.strerror or type(error).__name__, error.errno or 0)


class DamagedFile(ParticipantError, says="{path}: {reason}"):
    """A file that does not have the form it must have; one of the data folder by its name there."""

    path: Path | str
    reason: str
    what: Literal[
        "sealed file", "outbox", "model", "local entries", "journal", "approval", "numbers", "note",
        "release", "beginning", "copy of the board",
    ] = "sealed file"  # fmt: skip


class AlreadyRunning(ParticipantError, says="{path} is held by process {pid} ({command})"):
    """Another process holds the data folder; ``pid`` is None where it has not yet said."""

    path: Path
    pid: int | None
    command: str


# ── sealed files and their passphrase ──


class NoPassphrase(ParticipantError):
    """No passphrase could be had from any source; ``variable`` is the one looked at, if any is."""

    why: Literal["no terminal", "the terminal was closed"]
    option: str
    variable: str | None


class BadPassphrase(ParticipantError, says="passphrase from {source}: {why}"):
    """A passphrase that cannot be used; ``source`` is where it came from.

    A new one is not to be the present one, and that of a backup not the one of the data folder.
    """

    why: Literal[
        "empty", "too short", "entries differ", "not UTF-8", "not in the system's encoding",
        "the present one", "that of the data folder",
    ]  # fmt: skip
    source: str


class WrongPassphrase(ParticipantError, says="{path}: wrong passphrase or damaged file"):
    """A sealed file that does not open: wrong passphrase or damaged file, which look alike."""

    path: Path


class ForeignSeal(ParticipantError, says="{path} is sealed for something else: {differing}"):
    """A sealed file made for another federation, epoch, member or purpose.

    ``differing`` maps a field of the seal's context to (expected, found).
    """

    path: Path
    differing: dict[str, tuple[str | int, str | int]]


class NewerFormat(ParticipantError, says="{path}: format {found}, this release knows {known}"):
    """A sealed file of a format version that this release does not know."""

    path: Path
    found: int
    known: int


class TooLittleMemory(
    ParticipantError, says="{path}: deriving the key takes {memory_kib} KiB of memory"
):
    """The machine cannot spare the memory that the passphrase's key derivation takes."""

    path: Path
    memory_kib: int


# ── members and their terms ──


class BadName(ParticipantError, says="{name!r}: {reason}"):
    """A name that no member, no session or no stored thing can have."""

    name: str
    reason: str


class BadCard(ParticipantError):
    """A card that does not read; ``field`` as in the file, empty where it is another's card."""

    path: Path
    field: str
    reason: str


class NotAMember(ParticipantError, says="{name!r} in {home} is not a member"):
    """The identity in ``home`` has no place in the terms."""

    name: str
    home: Path


class AlreadySigned(ParticipantError, says="{name!r} has signed already"):
    """A member's fitting signature is under the terms already."""

    name: str


# ── ceremonies and what is left of them ──


class NoCeremony(ParticipantError, says="these terms take over a key"):
    """A ceremony is to make a key under terms that take over that of others."""


class NoSeed(ParticipantError):
    """A session in which this hospital takes no further part from this data folder.

    forgotten: the session has ended and its seed was destroyed, so that no other is ever made.
    lost: this member spoke with another seed. set back: the folder went back in time after it did.
    """

    session: str
    why: Literal["forgotten", "lost", "set back"]


class RetiredShare(ParticipantError, says="{folder}: the key share of epoch {epoch} is given up"):
    """The key share of an epoch was destroyed here, after the key had been handed over."""

    folder: Path
    epoch: int


class NotAborted(ParticipantError, says="{session}: not aborted"):
    """No ceremony of this name was aborted; none at all where ``session`` is empty."""

    session: str


class CeremonyAborted(
    ParticipantError, says="{session} was aborted: culprits {culprits}, silent {silent}"
):
    """A ceremony's end: what each culprit did, at which entry of the board; whose seeds lack.

    given_up: the members for whose silence it was given up, and what is said of it.
    """

    session: str
    culprits: dict[int, str]
    evidence: dict[int, int]
    silent: tuple[int, ...]
    given_up: tuple[tuple[int, ...], str] = ((), "")


class SessionTaken(ParticipantError, says="{session}: another task speaks there"):
    """Two tasks of one agent would speak in one session of the board."""

    session: str


# ── the link, and what comes over it ──


class Unreachable(ParticipantError, says="{url}: {reason}"):
    """No link to the aggregator at ``url`` could be had; another try may succeed.

    remedy: what helps, in whole sentences without the last full stop; empty if nobody knows more.
    """

    url: str
    reason: str
    remedy: str = ""


class BadProxy(ParticipantError):
    """What ``source``, a variable, says is no proxy that can be used; no password is in it."""

    source: str
    reason: str


class ProxyRefuses(ParticipantError, says="{url}: {reason}"):
    """The proxy on the way to ``url`` lets nobody through with these settings, however often."""

    url: str
    reason: str
    remedy: str


class WrongCertificate(ParticipantError, says="{url}: TLS key {found}, pinned is {expected}"):
    """The server at ``url`` does not hold the TLS key that the terms pin.

    about: whom its certificate names, and the proxy on the way, if there is one.
    """

    url: str
    expected: bytes
    found: bytes
    about: str = ""


class ForeignAggregator(ParticipantError, says="{url} serves another federation"):
    """The aggregator at ``url`` has the key that the terms name, and serves other terms."""

    url: str


class RejectedByAggregator(ParticipantError):
    """The aggregator does not accept what was sent.

    ``code`` is one of ``wire.Rejected``, "over-budget", or "false-decline" where it declined what
    by this hospital's own board is within its budget.
    """

    code: str
    reason: str


class DamagedBlob(ParticipantError, says="blob {name} is damaged"):
    """The aggregator served bytes that do not have the name they were asked for by."""

    name: bytes


class IdentityInUse(ParticipantError, says="entry {position}: by this member, not from here"):
    """A post by this member is on the board that this data folder did not make.

    certificate_of: the session whose certificate is still to be sent, where that post has passed
    it by, so that no board that goes on can take it.
    """

    position: int
    session: str
    certificate_of: str = ""


# ── studies ──


class UnknownStudy(ParticipantError, says="no study {study}"):
    """Nobody has proposed a study of this name; ``known``: those that are on the board."""

    study: str
    known: tuple[str, ...]


class OtherKind(ParticipantError, says="study {study} is a {kind}"):
    """A study is of the other kind than what was to be done in it; ``kind``: what it is."""

    study: str
    kind: Literal["training", "statistic"]


class StudyTaken(ParticipantError, says="{study} is taken, by {proposer}"):
    """Another plan has this name, by ``proposer``; names are never used again."""

    study: str
    proposer: str


class OtherPlan(ParticipantError, says="study {study}: another plan"):
    """The plan on the board is not the one that was to be approved; digests, 32 bytes each."""

    study: str
    expected: bytes
    found: bytes


class NotInStudy(ParticipantError, says="{name} is not in study {study}"):
    """A hospital that would contribute to a study is not among its members."""

    study: str
    name: str


class NotApproved(ParticipantError, says="study {study}: no approval to {what}"):
    """This hospital's approval of what it would do does not stand; ``withdrawn``: it did once."""

    study: str
    what: Literal["contribute", "open"]
    withdrawn: bool = False


class ApprovedLate(ParticipantError, says="{round_name} was opened before this hospital approved"):
    """The only round of a study was opened before this hospital had approved to contribute."""

    study: str
    round_name: str


class StudyEnded(ParticipantError, says="study {study} was ended by {by}"):
    """Enough members have voted to end a study; ``by``: their names; ``finished``: rounds here."""

    study: str
    by: tuple[str, ...]
    finished: int = 0


class LostRound(ParticipantError, says="{round_name} is lost: its key was handed over"):
    """The key was handed over before the sum of a round was opened, so that nobody opens it."""

    study: str
    round_name: str


class UnpinnedApp(ParticipantError, says="study {study} pins no app"):
    """A plan that trains leaves the app open, and its approval does not say that this is known."""

    study: str


class OtherApp(ParticipantError, says="{app} is not the app of study {study}"):
    """The app is another than the one in the plan, or the one that was approved here.

    Or the agent that runs finds another one under the path that the command has read.

    Both are SHA-256; ``found`` is empty for an app that is no file.
    """

    study: str
    app: str
    by: Literal["plan", "approval", "command"]
    expected: bytes
    found: bytes


class AppOutOfReach(ParticipantError, says="{app}: {reason}"):
    """The agent that runs cannot read the app that a command names."""

    app: str
    reason: str


class MissingApp(ParticipantError, says="study {study}: no app given or approved"):
    """A study that trains needs an app, and none was given now or with the approval."""

    study: str


class OtherTraining(ParticipantError, says="study {study}: it is trained with another app"):
    """The agent that runs trains in a study already, and not with the app that was given now."""

    study: str


class NoStart(ParticipantError, says="study {study} starts from {start}: {reason}"):
    """The model that a study starts from cannot be had here; ``start``: study and round.

    place: the name in this federation's folder under which it would be found.
    """

    study: str
    start: str
    reason: str
    place: str


# ── a running agent and its door ──


class PathTooLong(ParticipantError, says="{path}: more than {limit} bytes"):
    """A path that no socket can have."""

    path: Path
    limit: int


class UnsafeFolder(ParticipantError, says="{path}: owner {owner}, mode {mode}"):
    """A folder that is not this user's own (``owner`` says whose), or that others can enter."""

    path: Path
    owner: str
    mode: int


class ForeignPeer(ParticipantError, says="{path}: user {user} is at the other end"):
    """A process of another user is at the other end of a socket in this user's folder."""

    path: Path
    user: int


class AgentWaits(ParticipantError):
    """The agent that runs does nothing yet, or nothing any more."""

    path: Path
    state: Literal["starting", "passphrase", "stopping"]


class AgentDenies(ParticipantError, says="{path}: {reason}"):
    """The agent that runs did not take what it was told; ``reason`` in its words."""

    path: Path
    reason: str


class DoorClosed(ParticipantError, says="{path}: the agent has hung up"):
    """The agent ended, or was ended, before it had answered."""

    path: Path


class NoAgent(ParticipantError, says="{path}: nobody listens"):
    """No agent runs for this federation."""

    path: Path


class SaidByAgent(ParticipantError, says="{what}"):
    """What a running agent could not do for a command, in the words that the command uses."""

    what: str
    remedy: str
    exit_code: int


# ── what the hospital gives ──


class BadApp(ParticipantError):
    """The user's training code returned or raised what cannot be used."""

    function: str
    reason: str


class NoAppUser(ParticipantError):
    """An app cannot be run as this user; ``reason`` says what is in the way. Nothing was begun."""

    user: str
    reason: str


class UnfitNumbers(ParticipantError, says="{path}: {reason}"):
    """Numbers that cannot be contributed; ``remedy`` where it is the study that does not take them.

    No number was sent.
    """

    path: str
    reason: str
    remedy: str = ""


OpenedWith = Literal["plan", "model", "length", "key", "bounds", "suite", "run"]


class ModelMismatch(ParticipantError, says="round {round_name}: another {what}"):
    """The round is opened otherwise than this hospital's model is due; bounds: clip, examples."""

    round_name: str
    what: OpenedWith
    found: object
    due: object


class ModelsDiffer(ParticipantError, says="{round_name}: hospitals state different models"):
    """Too few hospitals state one model after this round; ``facts`` of the event disagreement."""

    round_name: str
    facts: dict[str, object]


HeldUpBy = Literal["held-back", "other-rounds", "weighed-otherwise"]


class RoundHeldUp(ParticipantError, says="{round_name}: {event}"):
    """Why a round gets no further; ``facts`` of the event of training that has that name."""

    round_name: str
    event: HeldUpBy
    facts: dict[str, object]


class ForeignModel(ParticipantError, says="round {round_name}: {reason}"):
    """The model that this hospital has after a round is one of another app."""

    round_name: str
    reason: str


# ── the end of a command ──


class OutOfTime(ParticipantError, says="not done after {seconds} s: {waiting}"):
    """The time limit given by the user passed; ``waiting``: for what, and for which members.

    is_sending: something that this hospital has said is not known to be on the board.
    """

    seconds: float
    waiting: Waiting
    is_sending: bool = False


class Interrupted(ParticipantError, says="signal {signal}"):
    """A signal asked this process to end; ``is_sending`` as for OutOfTime."""

    signal: int
    is_sending: bool = False


class NotAgreed(ParticipantError):
    """Who was asked does not agree, or, where ``what`` is empty, does not answer."""

    what: str = ""
