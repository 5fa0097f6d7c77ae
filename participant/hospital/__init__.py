"""A hospital at work inside any program: each of its tasks as a coroutine."""

from participant.hospital.beginning import TimeLeft, begin_app
from participant.hospital.hospital import NAME_OF_STUDY, Hospital
from participant.hospital.results import Checked, Contributed, Decrypted, Exported, Round
from participant.hospital.room import as_room_allows
from participant.hospital.study import HospitalStudy
