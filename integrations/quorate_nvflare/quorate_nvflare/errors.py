# SPDX-License-Identifier: Apache-2.0
"""Why a task is not done, or its result is not sent."""


class QuorateError(Exception):
    """Base class. At a site the text stays in its log: the server is told a return code."""


class BadSettings(QuorateError):
    """The site's settings are missing or make no sense."""


class NoAgent(QuorateError):
    """Nobody listens at the site's socket."""


class AgentRefused(QuorateError):
    """The hospital's agent does not do what it was asked; ``rule`` says which rule it is."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


class WrongServer(QuorateError):
    """What the server does with models cannot be done without seeing updates."""


class OtherStudy(QuorateError):
    """The site's agent trains another study than an agent of another site."""


class ResultRefused(QuorateError):
    """What the app, or another filter, wants to send is neither an update nor a listed metric."""


class WrongReceipts(QuorateError):
    """What sites have sent to the server is no receipt, or does not fit together."""
