"""The agent: it reads the board and does a task, over restarts and lost links.

A task says what is due and what it waits for. The agent signs it, keeps it until it is on the
board, and fetches what the task needs.
"""

from participant.agent.agent import Agent
from participant.agent.checkpoint import (
    CHECKPOINT_NAME,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from participant.agent.clock_check import ClockCheck
from participant.agent.inbox import Inbox
from participant.agent.outbox import store_blob
from participant.agent.set_back import SetBack
from participant.agent.set_ledger import SetLedger
from participant.agent.snapshot import Snapshot
from participant.agent.steps import Steps, Stopped
from participant.agent.task import Task
