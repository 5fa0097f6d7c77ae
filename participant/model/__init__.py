"""The model: its entries, their layout, the master copy of it, and its files."""

from participant.model.entry import described
from participant.model.entry_list import EntryDifference, differences, entry_facts, list_of
from participant.model.file import NextModel, model_name, read_entries, read_model, write_model
from participant.model.layout import Layout, closed_coroutine
from participant.model.local_entries import LocalEntries
from participant.model.master import Model
from participant.model.weights import SLICE, Vector, Weights, checked
