# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at the gate."""


class GateError(Exception):
    """Base class of this package's errors."""


class CannotStart(GateError):
    """An option, a file or a port does not allow the gate to start."""


class Refused(GateError):
    """A run or a reply breaks a rule of the gate.

    text: a fixed sentence, for the ServerApp too; it has nothing from the app. code: Flower's.
    """

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.text, self.code = text, code


class SuperLinkAway(GateError):
    """The SuperLink cannot be reached, or answers what no SuperLink answers."""


class BadCertificate(SuperLinkAway):
    """The SuperLink's certificate does not verify."""


class SuperLinkRefuses(GateError):
    """The SuperLink refuses a request of the gate; ``status`` is that of HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class RunOver(SuperLinkRefuses):
    """The run that the request is about is not running."""
