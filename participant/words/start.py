"""Where a study that trains begins, in words."""

from participant.words.fingerprint import fingerprint
from protocol.messages import Training
from protocol.terms import Terms


def start_words(work: Training, terms: Terms, without: str) -> str:
    """Whose model is the first one; ``without``: what is said where the plan names none."""
    if not work.start_study:
        return without
    said = f"the model of {work.start_study} after round {work.start_round}"
    before = work.start_federation
    if not before:
        return said
    if terms.predecessor is not None and terms.predecessor.federation == before:
        return f"{said}, of the federation before this one"
    return f"{said}, of an earlier federation, with the fingerprint {fingerprint(before)}"
