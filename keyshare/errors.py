"""What can be wrong with a number; every error carries the facts as fields."""

from dataclasses import dataclass
from typing import ClassVar, dataclass_transform


@dataclass_transform(eq_default=False)
class FactualError(Exception):
    """Base of each package's base: its fields are the facts, none of them a secret.

    ``says`` is its text for programmers, with the fields in it; else the fields in their order.
    What people read of it, each program's command line makes of the fields.
    """

    _says: ClassVar[str] = ""
    __match_args__: ClassVar[tuple[str, ...]] = ()  # the fields

    def __init_subclass__(cls, says: str = "") -> None:
        dataclass(eq=False, repr=False)(cls)
        cls._says = says

    def __str__(self) -> str:
        facts = {name: getattr(self, name) for name in self.__match_args__}
        given = {k: v.hex() if isinstance(v, bytes) else v for k, v in facts.items()}
        return self._says.format_map(given) or ": ".join(str(v) for v in given.values() if v != "")


class KeyshareError(FactualError):
    """Base of all errors of this package."""


class PlacedError(KeyshareError):
    """Something wrong with one of many numbers; ``position`` counts from 0, None if it is not one.

    None of the numbers is in ``reason``.
    """

    reason: str
    position: int | None = None

    def __str__(self) -> str:
        return (
            self.reason if self.position is None else f"{self.reason} at position {self.position}"
        )


class BadUpdate(PlacedError):
    """An update that can't be quantised."""


class BadPlaintext(PlacedError):
    """A number outside the range that a key encrypts, or that its slot holds."""


class BadCiphertext(PlacedError):
    """A number that is not a unit modulo N², or none to add."""


class CorruptSum(PlacedError):
    """A decrypted sum that no set of honest contributions gives."""


class FalseSum(CorruptSum):
    """A sum of encrypted vectors that is not that of the contributions named."""

    reason: str = "the aggregator's sum is not that of the contributions"


class BadParameters(KeyshareError, says="{field} = {value}, allowed: {allowed}"):
    """A number outside its range; ``allowed`` says the range in words."""

    field: str
    value: float | str
    allowed: str


class BadIndices(KeyshareError, says="share indices {indices} are not distinct positive numbers"):
    """Share indices that are not distinct numbers from 1 to n."""

    indices: list[int]


class TooFewPartials(KeyshareError, says="{have} partial decryptions, {need} are needed"):
    """Fewer partial decryptions than the quorum."""

    have: int
    need: int


class BadCombination(
    KeyshareError, says="the partial decryptions of members {members} do not fit together"
):
    """Partial decryptions that do not fit together (one of them is wrong)."""

    members: list[int]


class BadHandover(KeyshareError):
    """Dealings of a handover that do not make a state of the same key."""

    reason: str


class BadExamples(KeyshareError, says="{num_examples} examples, allowed: {least} to {most}"):
    """A number of examples that the terms do not allow."""

    num_examples: int
    least: int
    most: int


class WrongKey(KeyshareError):
    """A key that is none, or another one than is needed."""

    reason: str


class BadKeyShare(KeyshareError, says="the key share is not that of member {member}"):
    """A key share that does not fit its member's verification key."""

    member: int


class BadPart(
    KeyshareError, says="member {member}'s part is not its key share's for this ciphertext"
):
    """A partial decryption that its member's key share did not make of this ciphertext."""

    member: int


class UnfitNumber(KeyshareError):
    """A number that a statistic cannot carry exactly; ``reason`` says what is in the way."""

    reason: str


class InexactProduct(
    KeyshareError, says="a product is {distance:.3g} away from the nearest integer"
):
    """A product too far from integers to be rounded: no result is better than a wrong one."""

    distance: float
