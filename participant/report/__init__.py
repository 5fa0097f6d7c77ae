"""The report of a record for people: what the record says, and one page of HTML that shows it."""

from participant.report.facts import gather, read_journal
from participant.report.page import render
