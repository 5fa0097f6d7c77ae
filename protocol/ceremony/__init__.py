"""The key ceremony: its steps, the machine that takes them, and the verdict on one that failed.

Start with ``machine``: it says the steps in their order. The mathematics is in
``keyshare.ceremony``.
"""

from protocol.ceremony.dealt_exponents import DEALT
from protocol.ceremony.expectation import (
    batches_until,
    is_searching,
    layout_of,
    mean_candidates,
    share_done,
)
from protocol.ceremony.judgement import Verdict, judge, silent
from protocol.ceremony.machine import CERTIFICATE, Ceremony, CeremonyProgress
from protocol.ceremony.run import OBSERVER, StepId
