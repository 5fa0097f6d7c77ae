"""What can be wrong with a number; every error carries the facts as fields."""


class KeyshareError(Exception):
    """Base of all errors of this package."""


class BadParameters(KeyshareError):
    """Key size, number of members or quorum that no ceremony can serve."""

    def __init__(self, field: str, value: int, allowed: str) -> None:
        super().__init__(f"{field} = {value}, allowed: {allowed}")
        self.field, self.value, self.allowed = field, value, allowed


class BadIndices(KeyshareError):
    """Share indices that are not distinct numbers from 1 to n."""

    def __init__(self, indices: list[int]) -> None:
        super().__init__(f"share indices {indices} are not distinct positive numbers")
        self.indices = indices


class TooFewPartials(KeyshareError):
    """Fewer partial decryptions than the quorum."""

    def __init__(self, have: int, need: int) -> None:
        super().__init__(f"{have} partial decryptions, {need} are needed")
        self.have, self.need = have, need


class BadCombination(KeyshareError):
    """Partial decryptions that do not fit together (one of them is wrong)."""

    def __init__(self, members: list[int]) -> None:
        super().__init__(f"the partial decryptions of members {members} do not fit together")
        self.members = members
