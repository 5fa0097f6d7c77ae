"""TOML of others, read in a time that its size bounds."""

import tomllib
from typing import Any

# The parser's work grows with the square of a dotted key's parts: 64 kB of dots took it a minute.
_MOST_DOTS = 200  # in a line; no file of ours has nearly as many


class NotToml(ValueError):
    """A text is no TOML, or none that is read here."""


def read_toml(text: str) -> dict[str, Any]:
    """What a text in TOML says. Raises NotToml, also of numbers and brackets beyond all bounds."""
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        raise NotToml(f"a line has more than {_MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotToml(str(error)) from None
