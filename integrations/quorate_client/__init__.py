# SPDX-License-Identifier: Apache-2.0
"""A program's side of the data conversation with a hospital's quorate agent, version 1.

The agent has the model, the key share and the link to the other hospitals. A program has the
patients' data and trains. Between them goes this conversation: the program asks, the agent answers.

    hello    who speaks, and with which model the agent begins
    begin    the program can train; the answer is the model to train from, when a round is open
    update   what training made of it; the answer is the model after the round, once it is opened
    model    the model that the hospital stands at

An app of Flower's three functions needs no more than ``run``::

    quorate_client.run(MyApp())

This folder is all there is. It needs numpy, and PyTorch only where the program itself has imported
it. It may be copied into another project, under the licence that is in it.
"""

from quorate_client.agent import VERSION, Agent
from quorate_client.answer import Answer, Receipt
from quorate_client.app import run, run_at
from quorate_client.entries import Held, Tensor
from quorate_client.errors import AgentError, Closed, ForeignAgent, NoAgent
from quorate_client.form import Form, Plain
from quorate_client.visits import Visits

__all__ = [
    "VERSION",
    "Agent",
    "AgentError",
    "Answer",
    "Closed",
    "ForeignAgent",
    "Form",
    "Held",
    "NoAgent",
    "Plain",
    "Receipt",
    "Tensor",
    "Visits",
    "run",
    "run_at",
]
