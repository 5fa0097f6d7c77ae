"""The command ``quorate-aggregator``: what is typed, what is said, what is logged."""

from aggregator.cli import commands
from aggregator.cli.commands import main
