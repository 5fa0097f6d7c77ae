"""The audit of a federation's record: numbered checks that anyone can run, without any secret."""

from protocol.record.audit.chain_checks import KEY_CHECK, NOT_GIVEN
from protocol.record.audit.checks import CHECKS, Audit, audit, examine
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import Remark, Result, Status
