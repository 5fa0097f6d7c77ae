"""How a federation stands: a report for programs, a text for people, a file to read it from."""

from aggregator.status.ceremony import Report
from aggregator.status.file import read_status, remove_status, touch_status, write_status
from aggregator.status.report import AtWork, fitting
from aggregator.status.stored import stored_report
from aggregator.status.text import render
