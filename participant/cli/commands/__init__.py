"""The commands, one file a chapter: what is typed, and what it begins."""

from participant.cli.commands import (
    key,
    record,
    rounds,
    serve,
    study,
    terms,
    training,
    verdict,
    verify,
)
from participant.cli.work import spread
