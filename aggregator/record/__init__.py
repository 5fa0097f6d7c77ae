"""The record of a federation, from what the aggregator has stored."""

from aggregator.record.export import Progress
from aggregator.record.output import RecordOutput
