"""The data conversation with a hospital's agent: one file, quorate_client.py, to be copied."""

from quorate_client.quorate_client import (
    VERSION,
    Agent,
    AgentError,
    Answer,
    Closed,
    ForeignAgent,
    Form,
    Held,
    NoAgent,
    Plain,
    Receipt,
    Tensor,
    Visits,
    main,
    run,
    run_at,
)

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
    "main",
    "run",
    "run_at",
]
