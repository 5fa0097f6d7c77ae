"""A hospital's own folder: its identity, its passphrase, its terms, its secrets under a seal."""

from participant.home import identity
from participant.home.address import ADDRESS_NAME, Address
from participant.home.folders import federation_folder, folder_name, home_folder
from participant.home.handover_shelf import HandoverShelf
from participant.home.identity import CARD_NAME, IDENTITY_NAME, Card, Identity, load, read_card
from participant.home.key_notes import BackupNote, KeyNotes, ShareNote, keep_share, now_ms
from participant.home.key_ring import KeyRing
from participant.home.membership import (
    Membership,
    check_before_asking,
    enter,
    enter_handover,
    newest_epoch,
    require_identity,
)
from participant.home.passphrase import (
    CHANGED,
    MINIMUM_CHARACTERS,
    OF_BACKUP,
    PASSPHRASE_VARIABLE,
    Passphrase,
    checked,
    obtain,
)
from participant.home.passphrase_change import change, finish
from participant.home.roster import (
    CannotRevoke,
    NoSuchMember,
    NothingChanges,
    OtherPredecessor,
    UnfitCard,
    UnsaidLeaving,
    succeeding_roster,
)
from participant.home.sealed_file import (
    DAMAGES,
    DEFAULT_COST,
    PAYLOAD_LIMIT,
    Argon2Cost,
    SealedFor,
    purpose_of,
    seal,
    unseal,
)
from participant.home.terms_file import (
    TermsFile,
    check_may_sign,
    members_of,
    read_aggregator_card,
    read_signed_terms,
    read_terms,
    sign_file,
    write_terms,
)
from participant.home.vault import VAULT_NAME, Vault, epochs_in, retired_in
