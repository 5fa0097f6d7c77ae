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


class BadQuantisation(KeyshareError):
    """A field of the quantisation outside its range; ``allowed`` says the range in words."""

    def __init__(self, field: str, value: float, allowed: str) -> None:
        super().__init__(f"{value}; it must be {allowed}")
        self.field, self.value, self.allowed = field, value, allowed


class BadUpdate(KeyshareError):
    """An update that can't be quantised; ``index`` is the first bad entry, if one entry is bad."""

    def __init__(self, index: int | None, kind: str) -> None:
        super().__init__(kind if index is None else f"{kind} at index {index}")
        self.index, self.kind = index, kind


class BadExamples(KeyshareError):
    """A number of examples that the terms do not allow."""

    def __init__(self, num_examples: int, least: int, most: int) -> None:
        super().__init__(f"{num_examples} examples, allowed: {least} to {most}")
        self.num_examples, self.least, self.most = num_examples, least, most


class CorruptSum(KeyshareError):
    """A decrypted sum that no set of honest contributions gives."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason if position is None else f"{reason} at position {position}")
        self.reason, self.position = reason, position


class FalseSum(CorruptSum):
    """A sum of encrypted vectors that is not that of the contributions named."""

    def __init__(self) -> None:
        super().__init__("the aggregator's sum is not that of the contributions")


class ValueTooLarge(KeyshareError):
    """A value that does not fit in its slot (the value itself is secret)."""

    def __init__(self, index: int, value_bits: int) -> None:
        super().__init__(f"the value at index {index} is not within 0 to 2^{value_bits} - 1")
        self.index, self.value_bits = index, value_bits


class BadPlaintext(KeyshareError):
    """A number outside the range that a key encrypts (the number itself is secret)."""

    def __init__(self, reason: str = "the plaintext is not within 0 to N - 1") -> None:
        super().__init__(reason)
        self.reason = reason


class WrongKey(KeyshareError):
    """A key that is none, or another one than is needed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadKeyShare(KeyshareError):
    """A key share that does not fit its member's verification key."""

    def __init__(self, member: int) -> None:
        super().__init__(f"the key share is not that of member {member}")
        self.member = member


class BadPart(KeyshareError):
    """A partial decryption that its member's key share did not make of this ciphertext."""

    def __init__(self, member: int) -> None:
        super().__init__(f"member {member}'s part is not its key share's for this ciphertext")
        self.member = member


class BadCiphertext(KeyshareError):
    """A number that is not a unit modulo N²; ``position`` counts from 0 in a sum."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason if position is None else f"{reason} at position {position}")
        self.reason, self.position = reason, position


class EmptySum(KeyshareError):
    """A sum over no contributions."""

    def __init__(self) -> None:
        super().__init__("a sum needs at least one ciphertext")


class UnfitNumber(KeyshareError):
    """A number that a statistic cannot carry exactly; ``reason`` says what is in the way."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnsafeLattice(KeyshareError):
    """A lattice parameter outside the limits for 128 bits of security."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"lattice {field}: {reason}")
        self.field, self.reason = field, reason


class InexactProduct(KeyshareError):
    """A product too far from integers to be rounded: no result is better than a wrong one."""

    def __init__(self, distance: float) -> None:
        super().__init__(f"a product is {distance:.3g} away from the nearest integer")
        self.distance = distance
