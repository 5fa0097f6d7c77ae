"""The record of a federation, as a hospital writes and reads it."""

from participant.record.folder import RecordFolder
from participant.record.output import RecordOutput
from participant.record.task import RecordProgress, RecordTask
from participant.record.verified_file import load_verified, save_verified
