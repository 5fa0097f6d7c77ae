"""Counts in sentences: "1 entry", "2 entries", and the verb that goes with them."""


def counted(count: object, one: str, many: str = "") -> str:
    """A count with its noun; ``many`` is the noun's plural, else ``one`` with an s.

    count: of whatever type another party says it; what is not the number 1 takes the plural.
    """
    return f"{count} {number_of(count, one, many or f'{one}s')}"


def number_of(count: object, one: str, many: str) -> str:
    """``one`` where ``count`` is the number 1, else ``many``: a verb, or a noun on its own."""
    return one if str(count) == "1" else many
