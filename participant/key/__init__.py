"""Care for the key share: its check, its backup, its return from one, and how it stands."""

from participant.key import errors
from participant.key.backup import Backup, open_backup, purpose_of_backup, write_backup
from participant.key.check import KeyCheckTask, check_to_answer
from participant.key.errors import NoQuorum, QuorumFails, ShareNotWhole
from participant.key.inheritance import InheritanceTask, inheritance_task
from participant.key.inherited_from import inherited_from, note_release
from participant.key.restore import Restoring, read_board, read_record
from participant.key.standing import KeyStanding, key_standing
