"""The model: its entries, their layout, the master copy of it, and its files."""

from participant.model.entry import (
    AtHome,
    Averaged,
    Elsewhere,
    Unfit,
    described,
    fate_by_kind,
    is_tensor,
)
from participant.model.entry_list import EntryDifference, differences, entry_facts, list_of
from participant.model.file import (
    NextModel,
    bounds_name,
    model_name,
    models_among,
    read_model,
    read_stored,
    write_model,
)
from participant.model.layout import Layout, closed_coroutine, named
from participant.model.local_entries import LocalEntries, is_plain
from participant.model.master import Model, copy_of
from participant.model.sample import Sample, sample_of
from participant.model.weights import SLICE, Vector, Weights, checked
