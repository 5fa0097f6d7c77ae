"""Which terms new ones succeed, and how their key comes."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from protocol.encoding import Message, encode_binary
from protocol.errors import BadTerms
from protocol.terms.toml_table import Table
from protocol.words import shown

KeySource = Literal["handover", "ceremony"]


class Predecessor(Message, frozen=True):
    """The federation that new terms succeed, by its identity (32 bytes).

    key: how the new federation gets its key. "handover": it takes over the old one, with the same N
    and new shares. "ceremony": it makes another, with a new N.
    """

    federation: bytes
    key: KeySource

    @property
    def hands_over(self) -> bool:
        """Whether the key stays, with the same N."""
        return self.key == "handover"


def check_predecessor(predecessor: Predecessor) -> None:
    """Raises BadTerms, naming the field, on what no terms can say of a predecessor."""
    if len(predecessor.federation) != 32:
        raise BadTerms("predecessor.federation", "it must be 32 bytes in base64")
    if predecessor.key not in get_args(KeySource):
        found = shown(predecessor.key)
        raise BadTerms("predecessor.key", f"{found}, and it must be handover or ceremony")


def read_predecessor(table: Table | None) -> Predecessor | None:
    """The predecessor in a table of ``federation.toml``, if there is one; raises BadTerms."""
    if table is None:
        return None
    key: Any = table.text("key")  # checked with all the rest
    predecessor = Predecessor(table.binary("federation", 32), key)
    table.finish()
    return predecessor


def predecessor_fields(predecessor: Predecessor) -> Mapping[str, str]:
    """The predecessor as a table of TOML."""
    return {"federation": encode_binary(predecessor.federation), "key": predecessor.key}
