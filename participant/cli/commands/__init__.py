"""The commands, one file a chapter: what is typed, and what it begins."""

from participant.cli.commands import key, record, rounds, serve, terms, training, verdict, verify
from participant.cli.commands.options import spread
