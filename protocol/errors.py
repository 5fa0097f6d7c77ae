"""What can be wrong with what was said; every error carries who and what as fields."""

from __future__ import annotations

from protocol.words.counted import number_of


class ProtocolError(Exception):
    """Base of all errors of this package."""


class Malformed(ProtocolError):
    """Bytes that do not decode to the expected message."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.what, self.reason = what, reason


class BadTerms(ProtocolError):
    """Terms that no federation can have; ``field`` as written in the file."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class WrongKind(ProtocolError):
    """A file, or a folder, of another kind than was to be given at ``path``.

    found: what it looks like (``file_kind.Kind``); wanted: what it should be.
    """

    def __init__(self, path: str, found: str, wanted: str) -> None:
        super().__init__(f"{path} is {found}, not {wanted}")
        self.path, self.found, self.wanted = path, found, wanted


class UnsignedTerms(ProtocolError):
    """Members whose signature under the terms is missing or does not fit them."""

    def __init__(self, missing: list[str], wrong: list[str]) -> None:
        super().__init__(f"missing: {missing}, wrong: {wrong}")
        self.missing, self.wrong = missing, wrong

    @property
    def lacks(self) -> list[str]:
        """What is wrong, a clause each, with the members' names."""
        found = []
        if self.missing:
            found.append(f"{_signatures(self.missing, 'is', 'are')} missing")
        if self.wrong:
            found.append(
                f"{_signatures(self.wrong, 'does', 'do')} not fit: the terms were altered after "
                f"signing, or {number_of(len(self.wrong), 'it was', 'they were')} made for others"
            )
        return found


def _signatures(names: list[str], one: str, many: str) -> str:
    count = len(names)
    what = number_of(count, "signature", "signatures")
    return f"the {what} of {', '.join(names)} {number_of(count, one, many)}"


class BadSignature(ProtocolError):
    """A signature that does not fit; ``sender`` is who should have made it."""

    def __init__(self, sender: int, what: str) -> None:
        super().__init__(f"signature of sender {sender} under {what} does not fit")
        self.sender, self.what = sender, what


class BadSeal(ProtocolError):
    """A sealed payload that this member cannot open."""

    def __init__(self, sender: int, what: str) -> None:
        super().__init__(f"{what} sealed by sender {sender} does not open")
        self.sender, self.what = sender, what


class Fork(ProtocolError):
    """Two boards: what the aggregator shows now contradicts what was seen before."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"entry {position}: {reason}")
        self.position, self.reason = position, reason


class BadEntry(ProtocolError):
    """An entry that breaks a rule of the board; ``sender`` wrote the post inside."""

    def __init__(self, position: int, sender: int, reason: str) -> None:
        super().__init__(f"entry {position} by sender {sender}: {reason}")
        self.position, self.sender, self.reason = position, sender, reason


class CeremonyFailed(ProtocolError):
    """A ceremony that must not go on; ``culprit`` is a member, 0 if nobody in particular.

    ``silent``: the members for whose silence it was given up.
    """

    def __init__(self, culprit: int, step: str, reason: str, silent: tuple[int, ...] = ()) -> None:
        super().__init__(f"step {step}, member {culprit}: {reason}")
        self.culprit, self.step, self.reason = culprit, step, reason
        self.silent = silent


class Refused(ProtocolError):
    """A decryption that this hospital does not help with."""

    def __init__(self, round_name: str, rule: str, member: int, reason: str) -> None:
        super().__init__(f"round {round_name}, rule {rule}, member {member}: {reason}")
        self.round_name, self.rule, self.member, self.reason = round_name, rule, member, reason


class NotThisRecord(ProtocolError):
    """A file in the way of a record that is to be written; ``path`` is its path in the folder."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class UnfitHead(ProtocolError):
    """A file in a record that should be ``member``'s countersignature and is not."""

    def __init__(self, path: str, member: int, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.member, self.reason = path, member, reason


class Uncombinable(ProtocolError):
    """Verified partial decryptions that give no sum: the joint key's modulus may be factored."""

    def __init__(self, round_name: str, members: list[int]) -> None:
        super().__init__(f"round {round_name}: verified parts of members {members} do not fit")
        self.round_name, self.members = round_name, members
