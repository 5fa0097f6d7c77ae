# SPDX-License-Identifier: Apache-2.0
"""Why a message is not answered with content."""


class QuorateError(Exception):
    """Base class. The text goes to the server; ``detail`` stays in the hospital's log."""

    def __init__(self, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.detail = detail


class BadSettings(QuorateError):
    """The hospital's settings are missing or make no sense."""


class NoAgent(QuorateError):
    """Nobody listens at the hospital's socket."""


class AgentRefused(QuorateError):
    """The hospital's agent does not do what it was asked; ``rule`` says which rule it is."""

    def __init__(self, rule: str, text: str, detail: str = "") -> None:
        super().__init__(text, detail)
        self.rule = rule


class AppFailed(QuorateError):
    """The app raised something, or its reply is not what an app returns."""


class WrongStrategy(QuorateError):
    """What the server does with models cannot be done without seeing updates."""


class AgentBehind(QuorateError):
    """The hospital's agent has not come to the round that the others have finished."""


class QueryRefused(QuorateError):
    """A message that the hospital's settings do not allow."""
