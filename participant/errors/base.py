"""What every error of this package is."""

from keyshare.errors import FactualError


class ParticipantError(FactualError):
    """Base of all errors of this package."""
