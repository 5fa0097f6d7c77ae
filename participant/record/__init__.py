"""The record of a federation, as a hospital writes and reads it."""

from participant.record.folder import RecordFolder
from participant.record.output import RecordOutput
from participant.record.task import RecordProgress, RecordTask
