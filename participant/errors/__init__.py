"""What can go wrong at a hospital; every error carries the facts as fields, never a secret."""

from participant.errors.base import ParticipantError
from participant.errors.ceremony import (
    CeremonyAborted,
    NoCeremony,
    NoSeed,
    NotAborted,
    RetiredShare,
    SessionTaken,
)
from participant.errors.command import Interrupted, NotAgreed, OutOfTime
from participant.errors.disk import (
    AlreadyRunning,
    DamagedFile,
    DiskError,
    FileExists,
    MissingFile,
    TooLarge,
)
from participant.errors.door import (
    AgentDenies,
    AgentWaits,
    DoorClosed,
    ForeignPeer,
    NoAgent,
    PathTooLong,
    SaidByAgent,
    UnsafeFolder,
)
from participant.errors.members import AlreadySigned, BadCard, BadName, NotAMember
from participant.errors.network import (
    BadBlobSource,
    BadProxy,
    DamagedBlob,
    ForeignAggregator,
    IdentityInUse,
    ProxyRefuses,
    RejectedByAggregator,
    StoreRefuses,
    Unreachable,
    WrongCertificate,
)
from participant.errors.sealed import (
    BadPassphrase,
    ForeignSeal,
    NewerFormat,
    NoPassphrase,
    TooLittleMemory,
    WrongPassphrase,
)
from participant.errors.study import (
    AppOutOfReach,
    ApprovedLate,
    LostRound,
    MissingApp,
    NoStart,
    NotApproved,
    NotInStudy,
    OtherApp,
    OtherKind,
    OtherPlan,
    OtherTraining,
    StudyEnded,
    StudyTaken,
    UnknownStudy,
    UnpinnedApp,
)
from participant.errors.training import (
    BadApp,
    ForeignModel,
    HeldUpBy,
    ModelLetGo,
    ModelMismatch,
    ModelsDiffer,
    NoAppUser,
    NotStated,
    OpenedWith,
    RoundHeldUp,
    UnfitNumbers,
    VectorsGone,
)
