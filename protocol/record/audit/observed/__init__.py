"""What an auditor makes of the entries: of each ceremony, each handover, each round."""

from protocol.record.audit.observed.chain import Chain, places_of, unverified
from protocol.record.audit.observed.handed_key import faults_of_dealing, faults_of_epoch, parts_open
from protocol.record.audit.observed.handover_bars import help_bar, lock_bar, opening_bar
from protocol.record.audit.observed.handover_evidence import HandoverEvidence
from protocol.record.audit.observed.judged_round import (
    JudgedContribution,
    JudgedRound,
    RoundToJudge,
)
from protocol.record.audit.observed.lean import Lean
from protocol.record.audit.observed.observation import Observation, differing_fields, observe
from protocol.record.audit.observed.open_sums import (
    NOTHING_BEFORE,
    Differences,
    KnownBefore,
    OpenSums,
)
from protocol.record.audit.observed.payloads import RecordedPayloads
from protocol.record.audit.observed.round_evidence import RoundEvidence, Verdicts
from protocol.record.audit.observed.spread import MANY, Spread, judged, opened
