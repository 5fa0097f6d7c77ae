"""What a record tells, read from its verified entries, without a word of how it looks.

Start with ``facts``. ``gathering`` makes them of a record.
"""

from participant.report.facts.cards import card_facts
from participant.report.facts.ceremonies import ceremony_facts
from participant.report.facts.facts import (
    PHASES,
    CardFacts,
    CeremonyFacts,
    ComplaintFacts,
    Contents,
    Culprit,
    Deed,
    Diary,
    InheritanceFacts,
    MemberFacts,
    Metric,
    OtherSession,
    RecordBefore,
    RefusalFacts,
    Report,
    RoundFacts,
    StudyFacts,
    VerdictFacts,
    WordFacts,
)
from participant.report.facts.gathering import gather
from participant.report.facts.metrics import read_journal
from participant.report.facts.rounds import round_facts
from participant.report.facts.studies import study_facts
