"""What both programs say of terms that are not signed by all."""

from collections.abc import Sequence

from protocol.words.counted import number_of


def lacking(missing: Sequence[str], wrong: Sequence[str]) -> str:
    """Whose signature is missing, and whose does not fit: a clause with the members' names."""
    found = []
    if missing:
        found.append(f"{_signatures(missing, 'is', 'are')} missing")
    if wrong:
        found.append(
            f"{_signatures(wrong, 'does', 'do')} not fit: the terms were altered after "
            f"signing, or {number_of(len(wrong), 'it was', 'they were')} made for others"
        )
    return ", and ".join(found)


def _signatures(names: Sequence[str], one: str, many: str) -> str:
    count = len(names)
    what = number_of(count, "signature", "signatures")
    return f"the {what} of {', '.join(names)} {number_of(count, one, many)}"
