"""What a model is made of, as a hospital says and lists it, and in what two lists differ."""

from dataclasses import dataclass
from typing import Any

import msgspec

from participant.model.entry import described
from participant.model.layout import Layout
from protocol.encoding import encode
from protocol.messages import MAX_ENTRIES_BYTES, ModelEntries, ModelEntry
from protocol.words import shown

_MAX_SHAPE, _MOST = 64, (1 << 48) - 1  # dimensions, and the size of an (empty) one, that are told


@dataclass(frozen=True)
class EntryDifference:
    """An entry that two models do not have alike: what it is in each, None where it is not."""

    name: str
    here: str | None
    there: str | None


def list_of(layout: Layout) -> ModelEntries:
    """The list of a layout's entries, as far as it may go."""
    count = len(layout.names)
    entries, size = [], len(encode(ModelEntries(layout.digest, count, ()))) + 2
    for name, shape, dtype in zip(layout.names, layout.shapes, layout.dtypes, strict=True):
        sizes = [min(n, _MOST) for n in shape[:_MAX_SHAPE]]
        entry = msgspec.convert([shown(name), sizes, dtype], ModelEntry)
        size += len(encode(entry))
        if size > MAX_ENTRIES_BYTES:
            break
        entries.append(entry)
    return ModelEntries(layout.digest, count, tuple(entries))


def entry_facts(layout: Layout) -> dict[str, Any]:
    """What is averaged, with how many weights, and what stays at the hospital, and why."""
    parts = zip(layout.names, layout.shapes, layout.dtypes, strict=True)
    return {
        "averaged": [{"name": n, "shape": list(s), "dtype": d} for n, s, d in parts],
        "weights": layout.weights,
        "at_home": [{"name": e.name, "what": e.what, "why": e.why} for e in layout.at_home],
    }


def differences(here: ModelEntries, there: ModelEntries) -> list[EntryDifference]:
    """In what two lists differ: an entry's shape or dtype, entries that one alone has, the order.

    Where a list does not go on to its end, nothing is said of what it may have beyond.
    """
    own, other = _specs(here), _specs(there)
    found = [
        EntryDifference(name, own.get(name), other.get(name))
        for name in {**own, **other}
        if own.get(name) != other.get(name)
        and not (name not in own and len(here.entries) < here.count)
        and not (name not in other and len(there.entries) < there.count)
    ]
    if found:
        return found
    places = {entry.name: k for k, entry in enumerate(there.entries)}
    return [
        EntryDifference(entry.name, f"entry {k}", f"entry {places[entry.name]}")
        for k, entry in enumerate(here.entries)
        if places.get(entry.name, k) != k
    ]


def _specs(said: ModelEntries) -> dict[str, str]:
    return {entry.name: described(entry.shape, entry.dtype) for entry in said.entries}
