"""A hospital's part in the key ceremony, and in the verdict on one that was aborted."""

from participant.ceremony.calibration import Calibration
from participant.ceremony.expectation import PAUSE_SECONDS, CeremonyOutlook, Expectation, Watch
from participant.ceremony.task import CeremonyTask
from participant.ceremony.verdict import Accusation, VerdictTask
from protocol.ceremony import CeremonyProgress
