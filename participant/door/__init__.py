"""The door of a hospital's running agent: a Unix socket on which commands speak with it.

What is said there is administration, and nothing else. Apps and adapters have another socket.
"""

from participant.door.judgement import Judgement
from participant.door.messages import (
    MAX_REPORT_BYTES,
    AgentStanding,
    AgentState,
    CeremonyAt,
    CheckKey,
    ExportRecord,
    Failed,
    Finished,
    HandKeyOver,
    Job,
    JobWanted,
    JudgeCeremony,
    KeyChecked,
    MakeKey,
    Moved,
    Noticed,
    ReadingAt,
    TaskStanding,
    Waits,
    facts_of,
    read_facts,
    waiting_of,
    waits_of,
)
from participant.door.notices import telling_all
from participant.door.place import socket_path
from participant.door.reach import SERVE, reach
from participant.door.served import Asker, Mirror, ServedHospital
from participant.door.served_study import ServedStudy
from participant.door.server import Ask, Desk, Door, Tell
from participant.door.study_messages import (
    LAST_ROUND,
    Answered,
    ApproveStudy,
    Asked,
    ContributeNumbers,
    DecryptRound,
    EndStudy,
    ListStudies,
    ProposeStudy,
    ShowStudy,
    StudyJob,
    TrainStudy,
    WithdrawStudy,
)
from participant.door.study_results import StudyTrained, encode_standings, read_standings
