"""What ends a round that is held back, as hospitals and the aggregator tell people alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from protocol.words.counted import number_of


def ways_out(names: Sequence[str], needed: object, number: object) -> Iterator[str]:
    """A sentence for each way out of round ``number``.

    names: of the hospitals whose contributions would let it close; none where nobody's would.
    needed: how many hospitals another model takes; 0 or empty where no round is left for it.
    """
    if names:
        contribute = number_of(len(names), "contributes", "contribute")
        yield f"It closes as soon as {', '.join(names)} {contribute}."
    if needed:
        yield (
            f"At least {needed} hospitals can give it up and begin another model: they stop train "
            f"and start it again, all with --new-model-after {number}."
        )
    else:
        yield "It is the last round: more of them need new terms."
