"""A hospital's part in any round: contributing, checking the sum, helping to decrypt it."""

from participant.rounds.contribution import BeyondPlan, ContributionMaker
from participant.rounds.held_back import HeldBack
from participant.rounds.omissions import Omissions, omissions_in
from participant.rounds.patience import Patience
from participant.rounds.summed_vector import Reading, SummedVector
from participant.rounds.task import DecryptionTask, Question
from participant.rounds.vector_reader import OwnChecksum
from participant.rounds.waiting import (
    other_rounds_waiting,
    round_waiting,
    session_waiting,
    step_waiting,
)
