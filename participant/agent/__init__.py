"""The agent: it reads the board and does its tasks, over restarts and lost links.

A task says what is due and what it waits for. The agent signs it, keeps it until it is on the
board, and fetches what the task needs. It does one task, or many at once.
"""

from participant.agent.agent import Agent
from participant.agent.checkpoint import (
    CHECKPOINT_NAME,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from participant.agent.inbox import Inbox
from participant.agent.outbox import store_blob
from participant.agent.set_back import SetBack
from participant.agent.set_ledger import SetLedger
from participant.agent.snapshot import Snapshot
from participant.agent.steps import Steps, Stopped
from participant.agent.task import Task
from participant.agent.tasks import Tasks
